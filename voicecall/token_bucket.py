"""Token buckets: how much each of many names may do at once, and in the long run.

Used for requests of each API client and for wrong bearer tokens of each sender. Counts in this process only. Knows
names and a clock.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["TokenBuckets"]

_NAMES: Final = 4096


class TokenBuckets:
    """`per_s`: what is refilled each second, above 0. `burst`: what a full bucket holds. A new name's is full.

    Of more than `names` names, the one that took nothing for longest is forgotten, and so has a full bucket again.
    """

    def __init__(
        self, per_s: float, burst: int, *, names: int = _NAMES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._names = names
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> left, and when that was counted

    def __len__(self) -> int:
        return len(self._left)

    def wait_s(self, name: str) -> float:
        """Seconds until the name may take one; 0.0 when it may now."""
        return max(0.0, (1 - self._left_at(self._clock(), name)) / self._per_s)

    def take(self, name: str) -> float:
        """Take one. Gives 0.0, or the seconds to wait when the bucket is empty, and then takes nothing."""
        now = self._clock()
        left = self._left_at(now, name)
        if left < 1:
            return (1 - left) / self._per_s
        self._left[name] = (left - 1, now)
        self._left.move_to_end(name)
        if len(self._left) > self._names:
            self._left.popitem(last=False)
        return 0.0

    def _left_at(self, now: float, name: str) -> float:
        left, then = self._left.get(name, (self._burst, now))
        return min(self._burst, left + (now - then) * self._per_s)
