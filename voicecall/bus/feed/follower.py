"""One reader of the feed, and the capped stream it falls back on: forwards from an id, or the newest items.

`Follower` is made by `feed` only. A slow follower does not delay the others and loses nothing: when its queue is full
it reads on from the stream. The gateway reads `recent` items before it follows.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.feed.wire import FeedEntry, RawItem
from voicecall.call.ids import CallId
from voicecall.errors import BusError
from voicecall.wire import Undecodable

__all__ = ["FeedTrimmed", "Follower", "read_stream", "recent"]

_QUEUE: Final = 1_000
_PAGE: Final = 500
_MAX_PAGES: Final = 20  # that `recent` reads in search of one call's items

_logger = logging.getLogger(__name__)


class FeedTrimmed(BusError):
    """The feed no longer holds the items asked for: read the calls' snapshots, then follow from now on."""


class Follower(AsyncIterator[FeedEntry]):
    """Iterate over it; drop it when done. `since` None: it starts where the feed itself starts."""

    def __init__(self, redis: Redis, *, call: CallId | None, since: str | None) -> None:
        self._redis = redis
        self._call = call
        self._at = since
        self._queue: deque[RawItem] = deque()
        self._wake = asyncio.Event()
        # The items between `since` and now were published before this follower existed.
        self._is_behind = since is not None
        if self._is_behind:
            self._wake.set()

    def start_at(self, newest: str) -> None:
        if self._at is None:
            self._at = newest

    def offer(self, item: RawItem) -> None:
        if self._is_behind or (self._call is not None and item.call != self._call):
            return  # a follower that is behind reads this item from the stream
        if len(self._queue) >= _QUEUE:
            self.fall_behind()
        else:
            self._queue.append(item)
            self._wake.set()

    def fall_behind(self) -> None:
        """Discard the queue; the stream has its items and those before them."""
        self._queue.clear()
        self._is_behind = True
        self._wake.set()

    async def __anext__(self) -> FeedEntry:
        while True:
            while self._queue:
                item = self._queue.popleft()
                if not item.is_after(self._at):
                    continue
                self._at = item.id
                try:
                    return item.decode()
                except Undecodable as error:
                    _log_undecodable(item, error)
            if self._is_behind:
                await self._catch_up()
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _catch_up(self) -> None:
        """Put the stream's items before those offered meanwhile; duplicates are skipped by their ids."""
        self._is_behind = False
        missed: list[RawItem] = []
        try:
            async for item in read_stream(self._redis, self._at or "0-0"):
                if self._call is None or item.call == self._call:
                    missed.append(item)
                if len(missed) >= _QUEUE:
                    self.fall_behind()
                    break
        except BusError:
            self._is_behind = True
            raise
        self._queue = deque([*missed, *self._queue])


async def read_stream(redis: Redis, after: str) -> AsyncIterator[RawItem]:
    """The items after the id `after`, up to the newest. Raises FeedTrimmed, BusUnavailable."""
    feed = keys_of(redis).feed
    start, is_known = after, after != "0-0"
    while True:
        with reaching_redis():
            # The page begins with the known item itself: if that was trimmed, items after it may be missing too.
            page: Any = await redis.xrange(feed, min=start, count=_PAGE)
        if is_known and (not page or page[0][0].decode() != start):
            raise FeedTrimmed("the feed no longer reaches back so far")
        for item in _items(page[1:] if is_known else page):
            yield item
        if len(page) < _PAGE:
            return
        start, is_known = page[-1][0].decode(), True


async def recent(redis: Redis, count: int, call: CallId | None = None) -> tuple[tuple[FeedEntry, ...], str]:
    """Up to `count` newest items, oldest first, of one call or of all; and the id from which to follow on.

    Reads backwards from the end, so the cost does not grow with the feed. Undecodable items are left out. Raises
    BusUnavailable.
    """
    feed = keys_of(redis).feed
    found: list[FeedEntry] = []
    newest, end = "0-0", "+"
    for _ in range(_MAX_PAGES):
        with reaching_redis():
            page: Any = await redis.xrevrange(feed, max=end, count=_PAGE if call else min(_PAGE, count + 1))
        if page and newest == "0-0":
            newest = page[0][0].decode()
        found += _decodable(page, call)
        if len(found) >= count or len(page) < _PAGE:
            break
        end = f"({page[-1][0].decode()}"
    return tuple(reversed(found[:count])), newest


def _items(page: Any) -> Iterator[RawItem]:
    for item_id, fields in page:
        yield RawItem(item_id.decode(), CallId(fields[b"c"].decode()), float(fields[b"t"]), fields[b"d"])


def _decodable(page: Any, call: CallId | None) -> list[FeedEntry]:
    found = []
    for item in _items(page):
        if call is not None and item.call != call:
            continue
        try:
            found.append(item.decode())
        except Undecodable as error:
            _log_undecodable(item, error)
    return found


def _log_undecodable(item: RawItem, error: Undecodable) -> None:
    """The events themselves are in the call's log, which sets aside what it cannot decode."""
    _logger.warning("undecodable feed item", extra={"call_id": item.call, "reason": str(error)})
