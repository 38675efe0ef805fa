"""Rings for calls that nobody looks after, behind the back of the request that found out.

The door answers the carrier first; what it learned from the log (no owner, or one that no longer listens) becomes a
ring here. Rings for one call are folded together. A lost ring is no loss: the sweeper rings again.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from voicecall import metrics
from voicecall.call.ids import CallId
from voicecall.errors import BusError
from voicecall.ports import Doorbell, Posted

__all__ = ["Bell"]

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 8
_WAITING: Final = 10_000
_APART_S: Final = 1.0


class Bell:
    """`apart_s`: rings for one call are at least this far apart, and the last of a burst is never dropped."""

    def __init__(self, doorbell: Doorbell, *, apart_s: float = _APART_S) -> None:
        self._doorbell = doorbell
        self._apart_s = apart_s
        self._tasks: dict[CallId, asyncio.Task[None]] = {}
        self._again: set[CallId] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._leaving = asyncio.Event()

    def ring_if_unowned(self, call: CallId, posted: Posted, *, news: bool = True) -> None:
        """Ring if this post found nobody at home. `news`: it carried events, so that an owner was nudged."""
        unheard = posted.owner is None or (not posted.nudged and (news or posted.replay))
        if unheard and not posted.over:
            self.ring(call)

    def ring(self, call: CallId) -> None:
        """Never blocks, never raises."""
        if call in self._tasks:
            self._again.add(call)
        elif len(self._tasks) >= _WAITING:
            metrics.DOORBELL.labels(result="dropped").inc()
        else:
            self._tasks[call] = asyncio.create_task(self._ring(call))

    async def drain(self, timeout_s: float) -> None:
        """Wait for the rings that are under way; what is late is left to the sweeper."""
        self._leaving.set()
        tasks = set(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _ring(self, call: CallId) -> None:
        try:
            while True:
                self._again.discard(call)
                async with self._places:
                    await self._once(call)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._apart_s):
                        await self._leaving.wait()
                if call not in self._again:
                    return
        finally:
            del self._tasks[call]
            self._again.discard(call)

    async def _once(self, call: CallId) -> None:
        try:
            await self._doorbell.ring(call)
        except BusError as error:
            metrics.DOORBELL.labels(result="failed").inc()
            _log.warning("ring failed", extra={"call_id": call, "error": str(error)})
        else:
            metrics.DOORBELL.labels(result="rung").inc()
