"""A subscription: the events of one call or of all calls, sent to one socket across failures of the bus.

Used by `sockets`. Each commit is an event frame `voicecall.feed`. When items were trimmed before they were read, a
frame `voicecall.gap` is sent and the feed continues from now. A slow socket delays only its own subscription: the bus
keeps what it has not read.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio import Redis

from gateway.live import LiveView
from voicecall.api import results
from voicecall.api.frames import event_frame
from voicecall.api.params import SubscribeParams
from voicecall.bus.feed.feed import Feed, FeedEntry, FeedTrimmed
from voicecall.bus.feed.follower import recent
from voicecall.errors import BusError, InvalidRequest

__all__ = ["Feeds"]

_RETRY_S: Final = 0.5

_log = logging.getLogger(__name__)

Send = Callable[[bytes], Awaitable[None]]


class Feeds:
    """`live`: the other view, for chats."""

    def __init__(self, redis: Redis, feed: Feed, live: LiveView) -> None:
        self._redis = redis
        self._feed = feed
        self._live = live

    def check(self, params: SubscribeParams) -> None:
        """Raises InvalidRequest for a view that is not offered."""
        if params.view == "live" and not self._live.is_enabled:
            raise InvalidRequest("view: live is off; set live.enabled to true")

    async def follow(self, params: SubscribeParams, send: Send) -> None:
        """Send items until cancelled, or until `send` raises."""
        if params.view == "live":
            await self._live.follow(params, send)
        at = params.since
        if at is None and params.last > 0:
            at = await self._send_recent(params, send)
        while True:
            try:
                async for item in self._feed.follow(at, params.call_id):
                    await send(_frame(item, params.subscription))
                    at = item.id
            except FeedTrimmed:
                await send(event_frame("voicecall.gap", {"after": at}, params.subscription))
                at = None
            except BusError as error:
                _log.warning("feed interrupted", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_S)

    async def _send_recent(self, params: SubscribeParams, send: Send) -> str:
        """Send the newest items; returns the id to continue from."""
        while True:
            try:
                items, newest = await recent(self._redis, params.last, params.call_id)
                break
            except BusError as error:
                _log.warning("feed interrupted", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_S)
        for item in items:
            await send(_frame(item, params.subscription))
        return newest


def _frame(item: FeedEntry, subscription: str) -> bytes:
    events = ((record.seq, record.event) for record in item.records)
    payload = results.FeedItem.payload_of(item.id, item.call, item.phase, events)
    return event_frame("voicecall.feed", payload, subscription)
