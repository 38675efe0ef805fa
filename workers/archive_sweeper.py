"""Finds ended calls that are not archived and sends jobs for them; once an hour has one node remove old ones.

The commit that ends a call makes it due; the job that archives it may be lost or never begin, and then the call stays
due. Every node polls; Redis gives each call to one node only. Knows no archive.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from voicecall.bus.ended import EndedCalls
from voicecall.errors import BusError

__all__ = ["AFTER_CALL", "AFTER_QUEUE", "TIDY", "ArchiveSweeper"]

AFTER_CALL: Final = "after_call"
"""Name of the job that archives one call; its argument is the call id."""

AFTER_QUEUE: Final = "after"
"""The dramatiq queue of both jobs."""

TIDY: Final = "tidy"
"""Name of the job that removes what was kept long enough."""

_log = logging.getLogger(__name__)

_POLL_S: Final = 2.0
_POLL_LIMIT: Final = 100
_TIDY_EVERY_S: Final = 3_600.0


class ArchiveSweeper:
    """`send(job, *args)` puts a job into the queue; it may raise BusUnavailable."""

    def __init__(self, ended: EndedCalls, send: Callable[..., Awaitable[None]]) -> None:
        self._ended = ended
        self._send = send

    async def run(self) -> None:
        """Poll until cancelled; while Redis does not answer, try again."""
        while True:
            await asyncio.sleep(_POLL_S * random.uniform(0.8, 1.2))
            try:
                await self.poll()
            except BusError as error:
                _log.warning("poll of ended calls failed", extra={"error": str(error)})

    async def poll(self) -> int:
        """Send jobs for what is due; the number of calls to archive. Raises BusUnavailable."""
        due = await self._ended.due(_POLL_LIMIT)
        if due:
            _log.info("sent jobs for ended calls", extra={"calls": len(due)})
        for call in due:
            await self._send(AFTER_CALL, call)
        if await self._ended.elected(TIDY, _TIDY_EVERY_S):
            await self._send(TIDY)
        return len(due)
