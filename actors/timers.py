"""The alarms of one call, as asyncio timers: what stands in `Call.timers` is armed here, nothing else.

The times are epoch seconds of the Redis clock; each alarm rings once as `TimerFired`. Decides nothing.
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
        """Make the armed alarms those of `wanted`; one that stands, or has rung, for the same moment is left alone."""
        for timer in [t for t in self._armed if t not in wanted]:
            self._armed.pop(timer)[1].cancel()
        for timer, at in wanted.items():
            standing = self._armed.get(timer)
            if standing is not None:
                if standing[0] == at:
                    continue
                standing[1].cancel()
            self._set(timer, at)

    def cancel(self) -> None:
        self.arm({})

    def _set(self, timer: Timer, at: float) -> None:
        handle = self._loop.call_later(max(0.0, at - self._clock.now()), self._ring, timer, at)
        self._armed[timer] = (at, handle)

    def _ring(self, timer: Timer, at: float) -> None:
        # The loop's clock and Redis's drift apart: never ring before the moment by the clock that stamps the event.
        if round(self._clock.now(), 6) < at:
            self._set(timer, at)
        else:
            self._report(TimerFired(timer=timer))
