"""The live echo of every commit, for doors and operators: complete and in order, although pub/sub loses.

One subscription per process serves any number of followers. Each echo names the one before it; a hole is filled from
the capped stream `feed`, and a lost last one is found by looking once a second. Nothing is decoded for which nobody in
this process asked.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakSet

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.feed.follower import FeedTrimmed, Following, Raw, read_message, read_stream
from voicecall.bus.feed.wire import FeedItem, unpack_echo
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId, RequestId
from voicecall.call.state import RequestResult
from voicecall.errors import BusUnavailable
from voicecall.wire import Undecodable, unpack_call

__all__ = ["Feed", "FeedItem", "FeedTrimmed"]

_INBOX: Final = 10_000

_logger = logging.getLogger(__name__)


class Feed:
    """`run()` must be running for followers to hear anything. `look_s`: how long a lost echo may stay unnoticed."""

    def __init__(self, redis: Redis, *, look_s: float = 1.0) -> None:
        self._redis = redis
        self._look_s = look_s
        self._line = Subscription(redis, keys.FEED, on_message=self._heard, on_gap=self._look, silence_s=look_s)
        self._inbox: list[bytes] = []
        self._news = asyncio.Event()
        self._behind = False
        self._last: str | None = None  # id of the newest item given out
        self._ready = asyncio.Event()
        self._followers: WeakSet[Following] = WeakSet()
        self._waiting: dict[tuple[CallId, RequestId], list[asyncio.Future[RequestResult]]] = {}

    async def run(self) -> None:
        """Listen until cancelled; outlives any restart of Redis."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._line.run())
            await self._line.ready()
            while True:
                try:
                    await self._step()
                except BusUnavailable as error:
                    self._behind = True
                    _logger.warning("feed cannot be read", extra={"error": str(error)})
                    await asyncio.sleep(min(self._look_s, 0.25))

    async def ready(self) -> None:
        """Return when nothing that is committed from now on will be missed."""
        await self._ready.wait()

    def follow(self, since: str | None = None, call: CallId | None = None) -> AsyncIterator[FeedItem]:
        """Every item behind the id `since` (None: from this very moment on), of one call or of all.

        Without gap or duplicate. The iterator raises FeedTrimmed when what is behind `since` is no longer kept, and
        BusUnavailable when catching up fails: follow again from the last id. "0-0" starts with the oldest kept.
        """
        follower = Following(self._redis, call=call, since=since if since is not None else self._last)
        self._followers.add(follower)
        return follower

    async def wait_answer(self, call: CallId, request: RequestId, timeout_s: float) -> RequestResult | None:
        """What the call answers to `request`, or None when it has not within `timeout_s`: outcome unknown, ask again.

        Heard from the feed; and because any echo may be lost, read from the snapshot at once and every second.
        """
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[RequestResult] = loop.create_future()
        ends = loop.time() + timeout_s
        waiting = self._waiting.setdefault((call, request), [])
        waiting.append(heard)
        try:
            while True:
                # The deadline is also looked at: before Python 3.12 a cancellation inside the client may get lost.
                async with asyncio.timeout_at(ends):
                    kept = await self._kept_answer(call, request)
                left_s = ends - loop.time()
                if kept is not None or left_s <= 0:
                    return kept
                done, _ = await asyncio.wait((heard,), timeout=min(self._look_s, left_s))
                if done:
                    return heard.result()
        except TimeoutError:
            return None
        finally:
            waiting.remove(heard)
            if not waiting:
                self._waiting.pop((call, request), None)

    async def _kept_answer(self, call: CallId, request: RequestId) -> RequestResult | None:
        try:
            with reaching_redis():
                snapshot: Any = await self._redis.hget(keys.state(call), "snapshot")
        except BusUnavailable:
            return None  # the next look, or the feed, will tell
        if snapshot is None:
            return None
        return next((answer for answer in unpack_call(snapshot).results if answer.request == request), None)

    def _heard(self, data: bytes) -> None:
        if len(self._inbox) >= _INBOX:
            self._inbox.clear()
            self._behind = True
        self._inbox.append(data)
        self._news.set()

    def _look(self) -> None:
        self._behind = True
        self._news.set()

    async def _step(self) -> None:
        if self._last is None:
            self._start_at(await self._newest_id())
        if self._behind:
            # Said before: another gap may open while this one is filled.
            self._behind = False
            await self._catch_up()
        try:
            async with asyncio.timeout(self._look_s):
                await self._news.wait()
        except TimeoutError:
            self._behind = True
            return
        self._news.clear()
        messages, self._inbox = self._inbox, []
        for place, message in enumerate(messages):
            echo = read_message(message)
            if echo is None or not echo.item.is_behind(self._last):
                continue
            if echo.before != self._last:
                # The stream has what we missed, this one and the rest of these included.
                self._inbox = messages[place + 1 :] + self._inbox
                self._look()
                return
            self._give_out(echo.item)

    async def _catch_up(self) -> None:
        try:
            async for item in read_stream(self._redis, self._last or "0-0"):
                self._give_out(item)
        except FeedTrimmed:
            _logger.exception("feed was trimmed before it was read", extra={"after": self._last})
            newest = await self._newest_id()
            for follower in self._followers:
                follower.fell_behind()
            self._last = newest

    async def _newest_id(self) -> str:
        with reaching_redis():
            newest: Any = await self._redis.xrevrange(keys.FEED, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def _start_at(self, newest: str) -> None:
        self._last = newest
        for follower in self._followers:
            follower.start_at(newest)
        self._ready.set()

    def _give_out(self, item: Raw) -> None:
        self._last = item.id
        for follower in self._followers:
            follower.offer(item)
        if any(call == item.call for call, _ in self._waiting):
            with contextlib.suppress(Undecodable):  # an answer is also read from the snapshot
                for answer in unpack_echo(item.id, item.call, item.at, item.data).answers:
                    self._settle(item.call, answer)

    def _settle(self, call: CallId, answer: RequestResult) -> None:
        for heard in self._waiting.get((call, answer.request), ()):
            if not heard.done():
                heard.set_result(answer)
