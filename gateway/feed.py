"""A subscription: the feed of one call or of all, told to one listener, through whatever the bus goes through.

Used by the socket. Each item is an event frame `voicecall.feed`; a stretch that is no longer kept is told as
`voicecall.gap`, after which the feed goes on from now. A slow listener slows only itself: the bus keeps what it missed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio import Redis

from gateway.records import feed_record
from voicecall.api.frames import event_frame
from voicecall.api.params import Subscribe
from voicecall.bus.feed.feed import Feed, FeedTrimmed
from voicecall.bus.feed.follower import recent
from voicecall.errors import BusError

__all__ = ["Feeds"]

_RETRY_S: Final = 0.5

_log = logging.getLogger(__name__)

Send = Callable[[bytes], Awaitable[None]]


class Feeds:
    def __init__(self, redis: Redis, feed: Feed) -> None:
        self._redis = redis
        self._feed = feed

    async def tell(self, asked: Subscribe, send: Send) -> None:
        """Send items until cancelled, or until `send` fails."""
        at = asked.since
        if at is None and asked.last > 0:
            at = await self._tell_recent(asked, send)
        while True:
            try:
                async for item in self._feed.follow(at, asked.call_id):
                    await send(event_frame("voicecall.feed", feed_record(item), asked.subscription))
                    at = item.id
            except FeedTrimmed:
                await send(event_frame("voicecall.gap", {"after": at}, asked.subscription))
                at = None
            except BusError as error:
                _log.warning("feed interrupted", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_S)

    async def _tell_recent(self, asked: Subscribe, send: Send) -> str:
        while True:
            try:
                items, newest = await recent(self._redis, asked.last, asked.call_id)
                break
            except BusError as error:
                _log.warning("feed interrupted", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_S)
        for item in items:
            await send(event_frame("voicecall.feed", feed_record(item), asked.subscription))
        return newest
