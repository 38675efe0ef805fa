"""One follower of the feed, and the stream it falls back on.

Used by `bus/feed.py` alone. A follower that is slower than the house does not hold it up and loses nothing: what does
not fit its queue is read again from the stream, from where it stands.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.feed.wire import FeedItem, unpack_echo
from voicecall.call.ids import CallId, is_call_id
from voicecall.errors import BusError
from voicecall.wire import Undecodable

__all__ = ["FeedTrimmed", "Following", "Message", "Raw", "read_message", "read_stream"]

_QUEUE: Final = 1_000
_PAGE: Final = 500

_logger = logging.getLogger(__name__)


class FeedTrimmed(BusError):
    """What was asked for is no longer kept: read the calls themselves, then follow from now on."""


@dataclass(frozen=True, slots=True)
class Raw:
    """An item nobody has decoded yet."""

    id: str
    call: CallId
    at: float
    data: bytes

    def is_behind(self, other: str | None) -> bool:
        """Later in the feed than the item `other` (None: than nothing)."""
        return other is None or _order(self.id) > _order(other)


@dataclass(frozen=True, slots=True)
class Message:
    """An item as published, with the id of the one before it."""

    before: str
    item: Raw


def read_message(data: bytes) -> Message | None:
    """None for bytes that are no echo of ours."""
    header, newline, body = data.partition(b"\n")
    try:
        before, item_id, call, at = header.decode("ascii").split(" ")
        _order(before), _order(item_id)
        message = Message(before, Raw(item_id, CallId(call), float(at), body))
    except ValueError:
        return None
    return message if newline and is_call_id(call) else None


async def read_stream(redis: Redis, after: str) -> AsyncIterator[Raw]:
    """Items behind the id `after`, up to the newest. Raises FeedTrimmed, BusUnavailable."""
    start, known = after, after != "0-0"
    while True:
        with reaching_redis():
            # From the known one on, itself included: if it is gone, so may be others behind it.
            page: Any = await redis.xrange(keys.FEED, min=start, count=_PAGE)
        if known and (not page or page[0][0].decode() != start):
            raise FeedTrimmed("the feed no longer reaches back so far")
        for item_id, fields in page[1:] if known else page:
            yield Raw(item_id.decode(), CallId(fields[b"c"].decode()), float(fields[b"t"]), fields[b"d"])
        if len(page) < _PAGE:
            return
        start, known = page[-1][0].decode(), True


class Following(AsyncIterator[FeedItem]):
    """Iterate over it; drop it when done. `since` None: it starts where the feed itself will start."""

    def __init__(self, redis: Redis, *, call: CallId | None, since: str | None) -> None:
        self._redis = redis
        self._call = call
        self._at = since
        self._queue: deque[Raw] = deque()
        self._wake = asyncio.Event()
        # What lies between `since` and now was echoed before we listened.
        self._behind = since is not None
        if self._behind:
            self._wake.set()

    def start_at(self, newest: str) -> None:
        if self._at is None:
            self._at = newest

    def offer(self, item: Raw) -> None:
        if self._behind or (self._call is not None and item.call != self._call):
            return  # while it is behind, the stream will bring this one too
        if len(self._queue) >= _QUEUE:
            self.fell_behind()
        else:
            self._queue.append(item)
            self._wake.set()

    def fell_behind(self) -> None:
        self._queue.clear()
        self._behind = True
        self._wake.set()

    async def __anext__(self) -> FeedItem:
        while True:
            while self._queue:
                item = self._queue.popleft()
                if not item.is_behind(self._at):
                    continue
                self._at = item.id
                try:
                    return unpack_echo(item.id, item.call, item.at, item.data)
                except Undecodable as error:
                    _logger.warning("undecodable feed item", extra={"call_id": item.call, "reason": str(error)})
            if self._behind:
                await self._catch_up()
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _catch_up(self) -> None:
        """Put what the stream has before what was offered meanwhile; duplicates are passed over by their ids."""
        self._behind = False
        missed: list[Raw] = []
        try:
            async for item in read_stream(self._redis, self._at or "0-0"):
                if self._call is None or item.call == self._call:
                    missed.append(item)
                if len(missed) >= _QUEUE:
                    self.fell_behind()
                    break
        except BusError:
            self._behind = True
            raise
        self._queue = deque([*missed, *self._queue])


def _order(item_id: str) -> tuple[int, int]:
    ms, _, no = item_id.partition("-")
    return int(ms), int(no)
