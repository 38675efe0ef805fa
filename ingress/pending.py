"""Where media sockets wait until they have started: few seats in all, fewer for one sender, and a short line for them.

A carrier connects the sockets of many calls from a few addresses, often in the same millisecond. Turning one away
leaves a call silent, so who finds no seat stands in line for a moment: those before it start within milliseconds, and
only a crowd that never starts keeps its seats (attack 63). Knows senders; what is said on a socket is for `media`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ingress.client_ip import InFlight

__all__ = ["NoSlot", "PendingSlots"]

_PATIENCE_S: Final = 1.0


class NoSlot(Exception):
    """No seat, and none came free in time."""


class PendingSlots:
    """`seats` in all, `per_sender` for one sender; as many as there are seats may stand in line, `patience_s` each."""

    def __init__(self, *, slots: int, per_sender: int, patience_s: float = _PATIENCE_S) -> None:
        self._slots = slots
        self._taken = 0
        self._senders = InFlight(per_sender)
        self._patience_s = patience_s
        self._line: dict[asyncio.Future[None], str] = {}  # in order of arrival

    @asynccontextmanager
    async def slot(self, sender: str) -> AsyncIterator[None]:
        """A seat until the block is left. Raises Full."""
        if not self._sit(sender):
            await self._stand_in_line(sender)
        try:
            yield
        finally:
            self._taken -= 1
            self._senders.leave(sender)
            self._call_next()

    def _sit(self, sender: str) -> bool:
        if self._taken >= self._slots or not self._senders.enter(sender):
            return False
        self._taken += 1
        return True

    async def _stand_in_line(self, sender: str) -> None:
        if len(self._line) >= self._slots:
            raise NoSlot
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line[turn] = sender
        try:
            async with asyncio.timeout(self._patience_s):
                await turn
        except BaseException as error:
            if self._line.pop(turn, None) is None:
                # Called and gone at once: the seat was ours, and goes to the next.
                self._taken -= 1
                self._senders.leave(sender)
                self._call_next()
            if isinstance(error, TimeoutError):
                raise NoSlot from None
            raise

    def _call_next(self) -> None:
        for turn, sender in list(self._line.items()):
            if self._sit(sender):
                del self._line[turn]
                # One who has just run out of patience finds the seat taken in its name, and gives it back.
                if not turn.done():
                    turn.set_result(None)
                return
