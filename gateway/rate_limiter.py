"""A token bucket of requests per bearer token.

Used by `rpc`. Counts in this process only: several gateways allow several times the rate. It bounds a client in a loop,
whose requests would delay those of the others; it is not a quota. Knows names and a clock, no request.
"""

import math
import time
from collections.abc import Callable

from voicecall.errors import Exhausted

__all__ = ["RateLimiter"]


class RateLimiter:
    """`per_s`: the sustained rate, 0 for no limit.

    `burst`: requests at once. Names are those of the configured tokens.
    """

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # name -> requests left, and when that was counted

    def take(self, name: str) -> None:
        """Count one request. Raises Exhausted with the time to wait; a refused request is not counted."""
        if not self._per_s:
            return
        now = self._clock()
        left, then = self._left.get(name, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_s)
        if left < 1:
            wait_ms = math.ceil((1 - left) / self._per_s * 1000)
            raise Exhausted(f"more than {self._per_s:g} requests a second with one token", retry_after_ms=wait_ms)
        self._left[name] = (left - 1, now)
