"""Whether this node may still act for the calls it owns, by its own clock.

A lease ends by Redis's time; a node that was paused or cut off cannot ask. So it stops itself earlier: no command,
no frame of speech, once the last successful renewal lies `hold_s` back (reliability P1, P10). `workers/node.py`
beats it; lanes and voice look at it before anything leaves.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

__all__ = ["HOLD_S", "LeaseGuard"]

HOLD_S: Final = 3.0
"""One second less than a lease lasts (reliability P1)."""


class LeaseGuard:
    """Alive until `hold_s` after the newest renewal was *sent*, by a monotonic clock."""

    def __init__(self, *, hold_s: float = HOLD_S, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hold_s = hold_s
        self._monotonic = monotonic
        self._since = monotonic()
        self._beat = asyncio.Event()

    @property
    def alive(self) -> bool:
        return self._monotonic() - self._since < self._hold_s

    def now(self) -> float:
        """Take this before sending a renewal, and give it to `beat` when it succeeded."""
        return self._monotonic()

    def beat(self, since: float) -> None:
        self._since = max(self._since, since)
        self._beat.set()

    async def wait(self) -> None:
        """Return when this node may act: at once, or after the next renewal that succeeds."""
        while not self.alive:
            self._beat.clear()
            await self._beat.wait()
