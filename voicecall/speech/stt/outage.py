"""When an interruption of recognition is reported to the call, and that it is over.

A short one is not: everything that was said meanwhile is transcribed. Used by `session.py`, one per session.
"""

import asyncio
from collections.abc import Callable

from voicecall.call.events import SttLost, SttRecovered

__all__ = ["Outage"]


class Outage:
    """`after_s`: how long an interruption lasts before it is reported."""

    def __init__(self, report: Callable[[SttLost | SttRecovered], None], after_s: float) -> None:
        self._report = report
        self._after_s = after_s
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_reported = False

    def begin(self) -> None:
        """A connection that had been ready is lost."""
        if self._since is None:
            self._since = self._loop.time()

    def expect(self) -> None:
        """No service is left to try at once: report it if none is back in time."""
        if self._since is not None and self._timer is None and not self._is_reported:
            self._timer = self._loop.call_at(self._since + self._after_s, self._on_timer)

    def end(self) -> None:
        """A service is ready."""
        self.cancel()
        self._since = None
        if self._is_reported:
            self._is_reported = False
            self._report(SttRecovered())

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer, self._is_reported = None, True
        self._report(SttLost())
