"""Facts about one call's media on their way to the log, in order, however long Redis takes.

A socket learns things in the middle of its work and must not wait: it puts them here. One task per call posts what has
gathered. Bounded: in an outage the newest facts are kept, because the newest say how the call is now.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from ingress.doorbell import Bell
from ingress.roles import IngressLog
from voicecall import metrics
from voicecall.aio import backoff
from voicecall.call.events import Event
from voicecall.call.ids import CallId
from voicecall.errors import BusUnavailable

__all__ = ["Outbox"]

_log = logging.getLogger(__name__)

_BOUND: Final = 256
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


class Outbox:
    """Of one stream of `call`. `waiting`: all outboxes that have something to post, for whoever closes the door."""

    def __init__(self, call: CallId, log: IngressLog, doorbell: Bell, waiting: set["Outbox"]) -> None:
        self._waiting = waiting
        self._call = call
        self._log = log
        self._doorbell = doorbell
        self._facts: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, *facts: Event) -> None:
        """Post these after everything put before. Never blocks."""
        for fact in facts:
            if len(self._facts) >= _BOUND:
                self._facts.popleft()
                metrics.FACTS_LOST.inc()
            self._facts.append(fact)
        if facts and self._task is None:
            self._waiting.add(self)
            self._task = asyncio.create_task(self._deliver())

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything is in the log, or the time is over: then what is left is lost, and counted."""
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=timeout_s)
        if not done and self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            metrics.FACTS_LOST.inc(len(self._facts))
            _log.error("media facts lost", extra={"call_id": self._call, "facts": len(self._facts)})

    async def _deliver(self) -> None:
        pauses = _pauses()
        try:
            while self._facts:
                batch = tuple(self._facts)
                self._facts.clear()
                if await self._posted(batch):
                    pauses = _pauses()
                    continue
                # Whether Redis has taken it is not known; hearing a fact twice changes nothing.
                self._facts.extendleft(reversed(batch))
                while len(self._facts) > _BOUND:
                    self._facts.popleft()
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
            _log.warning("media facts wait", extra={"call_id": self._call, "error": str(error), "facts": len(batch)})
            return False
        metrics.JOURNAL_SECONDS.observe(time.perf_counter() - started)
        self._doorbell.ring_if_unowned(self._call, posted)
        return True


def _pauses() -> Iterator[float]:
    return backoff(first_s=_FIRST_PAUSE_S, most_s=_LONGEST_PAUSE_S, jitter=(1.0, 1.0))
