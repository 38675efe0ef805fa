"""How many requests one bearer token may make.

Used by `rpc`. Counts in this process only: several gateways allow several times the rate. It bounds a client in a loop,
whose requests would delay those of the others; it is not a quota. Knows names of tokens, no request.
"""

import math
import time
from collections.abc import Callable

from voicecall.errors import Exhausted
from voicecall.token_bucket import TokenBuckets

__all__ = ["RateLimiter"]


class RateLimiter:
    """`per_s`: the sustained rate, 0 for no limit.

    `burst`: requests at once. Names are those of the configured tokens.
    """

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._buckets = TokenBuckets(per_s, burst, clock=clock) if per_s else None

    def take(self, name: str) -> None:
        """Count one request. Raises Exhausted with the time to wait; a refused request is not counted."""
        wait_s = self._buckets.take(name) if self._buckets is not None else 0.0
        if wait_s:
            why = f"more than {self._per_s:g} requests a second with one token"
            raise Exhausted(why, retry_after_ms=math.ceil(wait_s * 1000))
