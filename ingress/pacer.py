"""One timer for all sockets of the process: each is ticked every 20 ms, on an absolute clock.

A task with a sleep per socket drifts and costs a wake-up each; here sockets share four slots of 5 ms, so that hundreds
need two hundred wake-ups a second, and none while nothing plays. Knows time; knows nothing of what a tick does.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from voicecall import metrics

__all__ = ["Pacer", "Ticked"]

_log = logging.getLogger(__name__)

_SLOT_S: Final = 0.005
_SLOTS: Final = 4  # times 5 ms: one frame


class Ticked(Protocol):
    def tick(self, now: float) -> bool:
        """Do what is due at `now` (the pacer's clock). False: nothing is left to do, remove this member."""
        ...


class Pacer:
    """Belongs to one event loop. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._slots: tuple[dict[Ticked, None], ...] = tuple({} for _ in range(_SLOTS))
        self._places: dict[Ticked, int] = {}
        self._done = 0  # number of the last slot that was served, counted from the clock's zero
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Ticked) -> None:
        """Tick `member` from now on, the first time in about 20 ms. Does nothing when it is added already."""
        if member in self._places:
            return
        now = int(self.clock() / _SLOT_S)
        if not self._places:
            self._done = now
        self._places[member] = now % _SLOTS
        self._slots[now % _SLOTS][member] = None
        if self._timer is None:
            self._arm()

    def remove(self, member: Ticked) -> None:
        place = self._places.pop(member, None)
        if place is not None:
            del self._slots[place][member]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Set the timer for the next slot that has members."""
        for ahead in range(1, _SLOTS + 1):
            if self._slots[(self._done + ahead) % _SLOTS]:
                self._due = (self._done + ahead) * _SLOT_S
                wait_s = max(0.0, self._due - self.clock())
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._beat)
                return
        self._timer = None

    def _beat(self) -> None:
        now = self.clock()
        metrics.MEDIA_GAP.observe(max(0.0, now - self._due))
        # Timers of an event loop are rounded to a millisecond; a slot due this soon is due.
        current = int((now + 0.001) / _SLOT_S)
        # After a pause longer than one round, each slot once: members read the clock and catch up themselves.
        for number in range(max(self._done, current - _SLOTS) + 1, current + 1):
            for member in tuple(self._slots[number % _SLOTS]):
                self._tick(member, now)
        self._done = max(self._done, current)
        self._arm()

    def _tick(self, member: Ticked, now: float) -> None:
        try:
            more = member.tick(now)
        except Exception:  # noqa: BLE001  one broken member must not stop all others
            _log.exception("tick failed")
            more = False
        if not more:
            self.remove(member)
