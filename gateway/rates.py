"""How much one token may ask: a bucket of requests each, filled at a steady rate.

Used by `rpc`. In this process only: several gateways allow several times as much. It bounds a program gone wild, whose
requests would otherwise crowd out everybody else's; it is no quota. Knows names and a clock, no request.
"""

import math
import time
from collections.abc import Callable

from voicecall.errors import Exhausted

__all__ = ["Rates"]


class Rates:
    """`per_s` for long, `burst` at once. `per_s` 0: no limit. Names are few: they are those of our tokens."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # name -> what was left, and when

    def take(self, name: str) -> None:
        """Count one request. Raises Exhausted, saying when the next one will pass; a refused one is not counted."""
        if not self._per_s:
            return
        now = self._clock()
        left, then = self._left.get(name, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_s)
        if left < 1:
            wait_ms = math.ceil((1 - left) / self._per_s * 1000)
            raise Exhausted(f"more than {self._per_s:g} requests a second with one token", retry_after_ms=wait_ms)
        self._left[name] = (left - 1, now)
