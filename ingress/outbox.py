"""Media events of one stream on their way to the call's log, in order, however long Redis takes.

A stream must not wait for Redis: it puts its events here, and one task posts what has gathered. At most 256 wait; in an
outage the oldest are dropped, because the newest say how the call is now.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from voicecall import metrics
from voicecall.aio import backoff
from voicecall.bus.doorbell import RateLimitedDoorbell
from voicecall.call.events import Event
from voicecall.call.ids import CallId
from voicecall.errors import BusUnavailable
from voicecall.ports import IngressLog

__all__ = ["Outbox"]

_log = logging.getLogger(__name__)

_BOUND: Final = 256
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


class Outbox:
    """The outbox of one stream of `call`. `waiting`: the set of all outboxes with events left, drained at shutdown."""

    def __init__(self, call: CallId, log: IngressLog, doorbell: RateLimitedDoorbell, waiting: set["Outbox"]) -> None:
        self._waiting = waiting
        self._call = call
        self._log = log
        self._doorbell = doorbell
        self._events: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, *events: Event) -> None:
        """Post these after everything put before. Never blocks."""
        for event in events:
            if len(self._events) >= _BOUND:
                self._events.popleft()
                metrics.FACTS_LOST.inc()
            self._events.append(event)
        if events and self._task is None:
            self._waiting.add(self)
            self._task = asyncio.create_task(self._deliver())

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything is in the log. What is left after `timeout_s` is lost, and counted."""
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=timeout_s)
        if not done and self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            metrics.FACTS_LOST.inc(len(self._events))
            _log.error("media events lost", extra={"call_id": self._call, "events": len(self._events)})

    async def _deliver(self) -> None:
        pauses = _pauses()
        try:
            while self._events:
                batch = tuple(self._events)
                self._events.clear()
                if await self._posted(batch):
                    pauses = _pauses()
                    continue
                # Redis may have stored the batch; the call ignores an event it has seen.
                self._events.extendleft(reversed(batch))
                while len(self._events) > _BOUND:
                    self._events.popleft()
                    metrics.FACTS_LOST.inc()
                await asyncio.sleep(next(pauses))
        finally:
            self._task = None
            self._waiting.discard(self)

    async def _posted(self, batch: tuple[Event, ...]) -> bool:
        started = time.perf_counter()
        try:
            posted = await self._log.post(self._call, batch)
        except BusUnavailable as error:
            _log.warning(
                "media events not posted yet", extra={"call_id": self._call, "error": str(error), "events": len(batch)}
            )
            return False
        metrics.JOURNAL_SECONDS.observe(time.perf_counter() - started)
        self._doorbell.ring_if_unowned(self._call, posted)
        return True


def _pauses() -> Iterator[float]:
    return backoff(first_s=_FIRST_PAUSE_S, most_s=_LONGEST_PAUSE_S, jitter=(1.0, 1.0))
