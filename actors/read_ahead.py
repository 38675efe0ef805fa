"""A stream that is read before it is known whether it is wanted: what it gives waits, bounded, to be taken or dropped.

Used for audio that is synthesised ahead (`prefetch`) and for replies that are requested ahead (`preemptive`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

from voicecall.aio import closing
from voicecall.call.events import Failover
from voicecall.ports import EndCall, Spoken, ToolCalls

__all__ = ["ReadAhead"]

P = TypeVar("P", bound=bytes | str | Spoken | Failover | EndCall | ToolCalls)


class ReadAhead(Generic[P]):
    """Reads `source` from now on. `most`: so much waits, by the length of the pieces; then the source waits."""

    def __init__(self, source: AsyncIterator[P], *, most: int) -> None:
        self.has_failed = False  # it ended in an error before its first piece
        self.is_done = False  # it has ended, in whatever way
        self._most = most
        self._held = 0
        self._has_pieces = False
        self._has_room = asyncio.Event()
        # A piece; the exception that ends the stream; or None, its end.
        self._pieces: asyncio.Queue[P | Exception | None] = asyncio.Queue()
        self.task = asyncio.ensure_future(self._fill(source))

    def cancel(self) -> None:
        """Stop the source, and drop what it gave."""
        self.task.cancel()

    async def read(self) -> AsyncGenerator[P]:
        """What the source gave and gives. Raises its exception. Closing this stops the source."""
        try:
            while (piece := await self._pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                self._held -= _length(piece)
                self._has_room.set()
                yield piece
        finally:
            self.task.cancel()

    async def _fill(self, source: AsyncIterator[P]) -> None:
        try:
            async with closing(source) as pieces:
                async for piece in pieces:
                    self._has_pieces = self._has_pieces or isinstance(piece, bytes | str | Spoken)
                    await self._put(piece)
        except Exception as error:  # noqa: BLE001  raised again where the pieces are read
            self.has_failed, self.is_done = not self._has_pieces, True
            self._pieces.put_nowait(error)
        else:
            self.is_done = True
            self._pieces.put_nowait(None)

    async def _put(self, piece: P) -> None:
        self._pieces.put_nowait(piece)
        self._held += _length(piece)
        while self._held >= self._most:
            self._has_room.clear()
            await self._has_room.wait()


def _length(piece: bytes | str | Spoken | Failover | EndCall | ToolCalls) -> int:
    return len(piece) if isinstance(piece, bytes | str) else 0
