"""The 20 ms beat all lines share: one timer, absolute time, phases spread so that calls do not all speak at once."""

import asyncio
import time
from collections.abc import Callable

__all__ = ["FRAME_S", "Ticker"]

FRAME_S = 0.02
SLOTS = 10
SLOT_S = FRAME_S / SLOTS
# The event loop's timers count whole milliseconds: a beat that wakes up to one early is on time.
EARLY_S = 0.001

Tick = Callable[[], None]


class Ticker:
    """Calls every registered function once per 20 ms, on an absolute clock: a late beat is made up for, not moved.

    Two milliseconds lie between the slots of a beat; a new function joins the emptiest slot. Two hundred real callers
    are not in phase either, and a burst of two hundred frames would be measured as the latency of whoever takes it.
    """

    def __init__(self) -> None:
        self._slots: list[dict[int, Tick]] = [{} for _ in range(SLOTS)]
        self._place: dict[int, int] = {}
        self._names = 0
        self._slot = 0
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.latest_s = 0.0
        """The worst lateness of a slot so far: when large, the box was starved and its timings are no evidence.

        Whoever wants to know it of a while sets it to 0 before.
        """

    def join(self, tick: Tick) -> tuple[int, float]:
        """Register; returns a name to leave by and the monotonic time of the first tick."""
        if self._timer is None:
            self._next = time.monotonic() + SLOT_S
            self._timer = asyncio.get_running_loop().call_later(SLOT_S, self._beat)
        slot = min(range(SLOTS), key=lambda index: len(self._slots[index]))
        self._names += 1
        self._slots[slot][self._names] = tick
        self._place[self._names] = slot
        return self._names, self._next + ((slot - self._slot) % SLOTS) * SLOT_S

    def leave(self, name: int) -> None:
        """Stop ticking that function. Leaving twice is harmless."""
        slot = self._place.pop(name, None)
        if slot is not None:
            del self._slots[slot][name]

    def _beat(self) -> None:
        now = time.monotonic()
        self.latest_s = max(self.latest_s, now - self._next)
        while self._next - EARLY_S <= now:
            for tick in tuple(self._slots[self._slot].values()):
                tick()
            self._slot = (self._slot + 1) % SLOTS
            self._next += SLOT_S
        if self._place:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, self._next - time.monotonic()), self._beat)
        else:
            self._timer = None
