"""Thins out partial transcripts: at most one every quarter of a second, always ending with the newest.

A likely end of the turn, and what revokes it, is passed on at once: the agent may be started or stopped by it.
"""

import asyncio
import logging
from collections.abc import Callable

from voicecall.ports import PartialTranscript

__all__ = ["Partials"]

_log = logging.getLogger(__name__)


class Partials:
    """Of one session. `report` is called on the event loop."""

    def __init__(self, report: Callable[[PartialTranscript], None], every_s: float) -> None:
        self._report = report
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._next_at = 0.0
        self._last: PartialTranscript | None = None
        self._waiting: PartialTranscript | None = None
        self._timer: asyncio.TimerHandle | None = None

    def put(self, partial: PartialTranscript) -> None:
        """Report it now or within `every_s`, unless a newer one takes its place; a repeated one is left out."""
        if partial == (self._waiting or self._last):
            return
        self._waiting = partial
        was_likely_end = self._last is not None and self._last.is_likely_end
        if partial.is_likely_end or was_likely_end or self._loop.time() >= self._next_at:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._next_at, self._flush)

    def clear(self) -> None:
        """The utterance is over: forget what was not reported."""
        self._last = self._waiting = None
        self._cancel()

    def _flush(self) -> None:
        self._cancel()
        partial, self._waiting = self._waiting, None
        if partial is None:
            return
        self._last = partial
        self._next_at = self._loop.time() + self._every_s
        try:
            self._report(partial)
        except Exception:  # noqa: BLE001  a fault of the handler must not end recognition
            _log.exception("handler of partial transcripts failed")

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
