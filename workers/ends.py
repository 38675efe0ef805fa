"""Looks after calls that are over: rings for those nobody archives, and once an hour has one node tidy up.

The commit that ends a call makes it due; the job that archives it may be lost, dropped or never begun, and the call
stays due. Every node looks; Redis names each call to one looker only. Knows no archive.
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
AFTER_QUEUE: Final = "after"
TIDY: Final = "tidy"

_log = logging.getLogger(__name__)

_LOOK_S: Final = 2.0
_AT_ONCE: Final = 100
_TIDY_EVERY_S: Final = 3_600.0


class ArchiveSweeper:
    """`send(job, *args)` puts a job in the queue; it may raise BusUnavailable."""

    def __init__(self, ended: EndedCalls, send: Callable[..., Awaitable[None]]) -> None:
        self._ended = ended
        self._send = send

    async def run(self) -> None:
        """Look until cancelled; a Redis that does not answer is asked again."""
        while True:
            await asyncio.sleep(_LOOK_S * random.uniform(0.8, 1.2))
            try:
                await self.look()
            except BusError as error:
                _log.warning("looking after ended calls failed", extra={"error": str(error)})

    async def look(self) -> int:
        """Ring for what is due; how many calls that were. Raises BusUnavailable."""
        due = await self._ended.due(_AT_ONCE)
        if due:
            _log.info("ended calls rung for", extra={"calls": len(due)})
        for call in due:
            await self._send(AFTER_CALL, call)
        if await self._ended.elected(TIDY, _TIDY_EVERY_S):
            await self._send(TIDY)
        return len(due)
