"""The timers of one call as asyncio timers: exactly those in `Call.timers` are armed.

Times are epoch seconds by the clock of Redis; each timer is reported once, as `TimerFired`. Decides nothing.
"""

import asyncio
from collections.abc import Mapping

from actors.context import Report
from voicecall.call.events import Timer, TimerFired
from voicecall.ports import Clock

__all__ = ["Timers"]


class Timers:
    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, report: Report) -> None:
        self._loop = loop
        self._clock = clock
        self._report = report
        self._armed: dict[Timer, tuple[float, asyncio.TimerHandle]] = {}

    def arm(self, wanted: Mapping[Timer, float]) -> None:
        """Arm exactly the timers of `wanted`. One armed for the same time, fired or not, is left as it is."""
        for timer in [t for t in self._armed if t not in wanted]:
            self._armed.pop(timer)[1].cancel()
        for timer, at in wanted.items():
            armed = self._armed.get(timer)
            if armed is not None:
                if armed[0] == at:
                    continue
                armed[1].cancel()
            self._set(timer, at)

    def cancel(self) -> None:
        self.arm({})

    def _set(self, timer: Timer, at: float) -> None:
        handle = self._loop.call_later(max(0.0, at - self._clock.now()), self._fire, timer, at)
        self._armed[timer] = (at, handle)

    def _fire(self, timer: Timer, at: float) -> None:
        # The clocks of the loop and of Redis drift apart, and `decide` ignores a timer that fires too early by the
        # clock that stamps its event.
        if round(self._clock.now(), 6) < at:
            self._set(timer, at)
        else:
            self._report(TimerFired(timer=timer))
