"""Reports of ended calls, for the gateway: read one, or wait for it.

A report is in Redis for a month, and in the archive for as long as that keeps calls.
"""

import asyncio
import time
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.archive import CallArchive
from voicecall.bus.log import RedisCallLog
from voicecall.bus.reports import Reports
from voicecall.call.ids import CallId
from voicecall.errors import ArchiveUnavailable, BusError, Unavailable
from voicecall.wire import Undecodable

__all__ = ["ReportQueries"]

_POLL_S: Final = 0.5


class ReportQueries:
    """Every method raises Unavailable only. `archive` None: it is disabled."""

    def __init__(self, redis: Redis, archive: CallArchive | None) -> None:
        self._reports = Reports(redis)
        self._log = RedisCallLog(redis)
        self._archive = archive

    async def get(self, call: CallId, *, wait_s: float = 0.0) -> dict[str, Any] | None:
        """The report of this call; None when there is none within `wait_s`. Of an unknown call it does not wait."""
        until = time.monotonic() + wait_s
        report = await self._found(call) or await self._archived(call)
        while report is None and time.monotonic() < until and await self.is_known(call):
            await asyncio.sleep(_POLL_S)
            report = await self._found(call)
        return report

    async def is_known(self, call: CallId) -> bool:
        """Whether Redis holds the call, live or ended."""
        try:
            return await self._log.phase(call) is not None or await self._reports.is_due(call)
        except Undecodable:
            return True
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error

    async def _found(self, call: CallId) -> dict[str, Any] | None:
        try:
            kept = await self._reports.get(call)
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error
        return None if kept is None else kept.report

    async def _archived(self, call: CallId) -> dict[str, Any] | None:
        if self._archive is None:
            return None
        try:
            return await asyncio.to_thread(self._archive.get_report, call)
        except ArchiveUnavailable as error:
            raise Unavailable(
                "the archive does not answer; the gateway's log says why", retry_after_ms=5_000
            ) from error
