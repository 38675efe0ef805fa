"""Slots for media sockets that have not started yet: few in all, fewer for one sender, and a short queue for them.

A carrier connects the sockets of many calls from a few addresses, often in the same millisecond. Refusing one leaves a
call silent, so a socket without a slot waits for a second: a carrier's sockets start within milliseconds, and only
sockets that never start hold their slots (attack 63). Knows senders; `media` knows the frames.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ingress.client_ip import InFlight

__all__ = ["NoSlot", "PendingSlots"]

_PATIENCE_S: Final = 1.0


class NoSlot(Exception):
    """No slot is free, and none became free in time."""


class PendingSlots:
    """`slots` in all, `per_sender` for one sender; as many sockets as there are slots may wait, `patience_s` each."""

    def __init__(self, *, slots: int, per_sender: int, patience_s: float = _PATIENCE_S) -> None:
        self._slots = slots
        self._taken = 0
        self._senders = InFlight(per_sender)
        self._patience_s = patience_s
        self._queue: dict[asyncio.Future[None], str] = {}  # in order of arrival

    @asynccontextmanager
    async def slot(self, sender: str) -> AsyncIterator[None]:
        """Hold a slot until the block is left. Raises NoSlot."""
        if not self._take(sender):
            await self._wait(sender)
        try:
            yield
        finally:
            self._taken -= 1
            self._senders.leave(sender)
            self._grant_next()

    def _take(self, sender: str) -> bool:
        if self._taken >= self._slots or not self._senders.enter(sender):
            return False
        self._taken += 1
        return True

    async def _wait(self, sender: str) -> None:
        if len(self._queue) >= self._slots:
            raise NoSlot
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue[turn] = sender
        try:
            async with asyncio.timeout(self._patience_s):
                await turn
        except BaseException as error:
            if self._queue.pop(turn, None) is None:
                # Granted and cancelled in the same moment: the slot goes to the next.
                self._taken -= 1
                self._senders.leave(sender)
                self._grant_next()
            if isinstance(error, TimeoutError):
                raise NoSlot from None
            raise

    def _grant_next(self) -> None:
        for turn, sender in list(self._queue.items()):
            if self._take(sender):
                del self._queue[turn]
                # A waiter that has just timed out gives the slot back itself.
                if not turn.done():
                    turn.set_result(None)
                return
