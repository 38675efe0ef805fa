"""Whether this node may still act for the calls it owns, judged by its own monotonic clock.

A lease ends by the clock of Redis; a node that was paused or cut off cannot ask Redis. So the node stops itself
earlier: no carrier command and no audio leaves once the last successful renewal was sent more than `hold_s` ago
(guarantees P1 and P10). The supervisor calls `renewed`; whatever sends to the outside checks `holds`.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

__all__ = ["HOLD_S", "LeaseGuard"]

HOLD_S: Final = 3.0
"""Seconds a node acts without a renewal: one less than a lease lasts."""


class LeaseGuard:
    """Holds until `hold_s` after the newest successful renewal was *sent*; `monotonic` gives seconds."""

    def __init__(self, *, hold_s: float = HOLD_S, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hold_s = hold_s
        self._monotonic = monotonic
        self._renewed_at = monotonic()
        self._was_renewed = asyncio.Event()

    @property
    def holds(self) -> bool:
        return self._monotonic() - self._renewed_at < self._hold_s

    def now(self) -> float:
        """The guard's clock: read it before a renewal is sent, and give it to `renewed` when that succeeded."""
        return self._monotonic()

    def renewed(self, sent_at: float) -> None:
        """The renewal sent at `sent_at` succeeded; one that arrives late never shortens the hold."""
        self._renewed_at = max(self._renewed_at, sent_at)
        self._was_renewed.set()

    async def until_held(self) -> None:
        """Return when this node may act: at once, or after the next renewal that succeeds."""
        while not self.holds:
            self._was_renewed.clear()
            await self._was_renewed.wait()
