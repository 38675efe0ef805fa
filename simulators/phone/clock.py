"""The 20 ms tick that all lines share: one timer on absolute time, with phases spread over the tick."""

import asyncio
import time
from collections.abc import Callable

__all__ = ["EARLY_S", "FRAME_S", "SLOTS", "SLOT_S", "Ticker"]

FRAME_S = 0.02
SLOTS = 10
SLOT_S = FRAME_S / SLOTS
# The event loop's timers count whole milliseconds: waking up to one millisecond early counts as on time.
EARLY_S = 0.001

Tick = Callable[[], None]


class Ticker:
    """Calls every registered function once per 20 ms, on an absolute clock: a late tick is caught up, not postponed.

    The slots of a tick lie two milliseconds apart; a new function joins the emptiest slot. Real calls are not in phase
    either, and a burst of two hundred frames would be measured as latency of the receiver.
    """

    def __init__(self) -> None:
        self._slots: list[dict[int, Tick]] = [{} for _ in range(SLOTS)]
        self._place: dict[int, int] = {}
        self._names = 0
        self._slot = 0
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.latest_s = 0.0
        """The worst lateness of a slot so far, in milliseconds; set it to 0 to measure from now on.

        If it is large, the simulator was short of CPU and its timings are not valid.
        """

    def join(self, tick: Tick) -> tuple[int, float]:
        """Register a function; returns the name to unregister it by, and the monotonic time of its first tick."""
        if self._timer is None:
            self._next = time.monotonic() + SLOT_S
            self._timer = asyncio.get_running_loop().call_later(SLOT_S, self._beat)
        slot = min(range(SLOTS), key=lambda index: len(self._slots[index]))
        self._names += 1
        self._slots[slot][self._names] = tick
        self._place[self._names] = slot
        return self._names, self._next + ((slot - self._slot) % SLOTS) * SLOT_S

    def leave(self, name: int) -> None:
        """Unregister a function; no error if it is not registered."""
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
