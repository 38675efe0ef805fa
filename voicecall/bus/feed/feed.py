"""The live feed of every commit, for the gateway and operators: complete and in order, although pub/sub loses messages.

One subscription per process serves any number of followers. Each published item names the one before it; a gap is
filled from the capped stream `feed`, and a lost last item is found by reading the stream once a second. Items are
decoded only when a follower or a waiting request needs them, and while there is neither, only the newest is kept.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakSet

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.feed.follower import FeedTrimmed, Follower, read_stream
from voicecall.bus.feed.wire import FeedEntry, RawItem, read_published
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId, RequestId
from voicecall.call.state import RequestResult
from voicecall.errors import BusUnavailable
from voicecall.wire import Undecodable, unpack_call

__all__ = ["Feed", "FeedEntry", "FeedTrimmed"]

_INBOX: Final = 10_000

_logger = logging.getLogger(__name__)


class Feed:
    """`run()` must be running for followers to receive items. `look_s`: how long a lost item may stay unnoticed."""

    def __init__(self, redis: Redis, *, look_s: float = 1.0) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._look_s = look_s
        self._channel = Subscription(
            redis, self._keys.feed, on_message=self._on_message, on_gap=self._fall_behind, silence_s=look_s
        )
        self._inbox: list[bytes] = []
        self._skipped: bytes | None = None  # the newest message, while it has no reader
        self._wake = asyncio.Event()
        self._is_behind = False
        self._last: str | None = None  # id of the newest item given to followers
        self._ready = asyncio.Event()
        self._followers: WeakSet[Follower] = WeakSet()
        self._waiting: dict[tuple[CallId, RequestId], list[asyncio.Future[RequestResult]]] = {}

    async def run(self) -> None:
        """Read the feed until cancelled; survives restarts of Redis."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._channel.run())
            await self._channel.ready()
            while True:
                try:
                    await self._step()
                except BusUnavailable as error:
                    self._is_behind = True
                    _logger.warning("feed cannot be read", extra={"error": str(error)})
                    await asyncio.sleep(min(self._look_s, 0.25))

    async def ready(self) -> None:
        """Return when no commit from now on will be missed."""
        await self._ready.wait()

    def follow(self, since: str | None = None, call: CallId | None = None) -> AsyncIterator[FeedEntry]:
        """Every item after the id `since` (None: from this moment on), of one call or of all.

        Without gap or duplicate. The iterator raises FeedTrimmed when the items after `since` are no longer kept, and
        BusUnavailable when catching up fails: follow again from the last id. "0-0" starts with the oldest kept item.
        """
        self._resume()
        follower = Follower(self._redis, call=call, since=since if since is not None else self._last)
        self._followers.add(follower)
        return follower

    async def wait_answer(self, call: CallId, request: RequestId, timeout_s: float) -> RequestResult | None:
        """The call's answer to `request`, or None when there is none within `timeout_s`: the outcome is unknown.

        Taken from the feed; because an item may be lost, the snapshot is read too, at once and every `look_s`.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[RequestResult] = loop.create_future()
        ends = loop.time() + timeout_s
        self._resume()
        waiting = self._waiting.setdefault((call, request), [])
        waiting.append(answered)
        try:
            while True:
                # The deadline is also checked here: before Python 3.12 a cancellation inside the client may get lost.
                async with asyncio.timeout_at(ends):
                    kept = await self._kept_answer(call, request)
                left_s = ends - loop.time()
                if kept is not None or left_s <= 0:
                    return kept
                done, _ = await asyncio.wait((answered,), timeout=min(self._look_s, left_s))
                if done:
                    return answered.result()
        except TimeoutError:
            return None
        finally:
            waiting.remove(answered)
            if not waiting:
                self._waiting.pop((call, request), None)

    async def _kept_answer(self, call: CallId, request: RequestId) -> RequestResult | None:
        try:
            with reaching_redis():
                snapshot: Any = await self._redis.hget(self._keys.state(call), "snapshot")
        except BusUnavailable:
            return None  # the feed or the next read will have it
        if snapshot is None:
            return None
        return next((answer for answer in unpack_call(snapshot).results if answer.request == request), None)

    @property
    def _is_needed(self) -> bool:
        return bool(self._followers or self._waiting)

    def _resume(self) -> None:
        """There is a reader from now on: those that were skipped are not missing."""
        published = read_published(self._skipped) if self._skipped is not None else None
        self._skipped = None
        if published is not None and published.item.is_after(self._last):
            self._start_at(published.item.id)

    def _on_message(self, data: bytes) -> None:
        if not self._is_needed and not self._inbox:
            # Without a wake-up: a seventh of what a call costs the gateway.
            self._skipped = data
            return
        if len(self._inbox) >= _INBOX:
            self._inbox.clear()
            self._is_behind = True
        self._inbox.append(data)
        self._wake.set()

    def _fall_behind(self) -> None:
        self._is_behind = True
        self._wake.set()

    async def _step(self) -> None:
        if self._last is None:
            self._start_at(await self._newest_id())
        if self._is_behind:
            # Reset first: another gap may open while this one is filled.
            self._is_behind = False
            await self._catch_up()
        try:
            async with asyncio.timeout(self._look_s):
                await self._wake.wait()
        except TimeoutError:
            self._is_behind = self._is_needed
            if not self._is_behind:
                await self._skip()
            return
        self._wake.clear()
        messages, self._inbox = self._inbox, []
        for place, message in enumerate(messages):
            published = read_published(message)
            if published is None or not published.item.is_after(self._last):
                continue
            if published.before != self._last:
                # The stream has the missed items, and this one and the rest of these messages as well.
                self._inbox = messages[place + 1 :] + self._inbox
                self._fall_behind()
                return
            self._give_out(published.item)

    async def _skip(self) -> None:
        """There is no reader of what came meanwhile. Unless there is one by now: then it is read as ever."""
        newest = await self._newest_id()
        if not self._is_needed:
            self._skipped = None
            self._last = newest

    async def _catch_up(self) -> None:
        try:
            async for item in read_stream(self._redis, self._last or "0-0"):
                self._give_out(item)
        except FeedTrimmed:
            _logger.exception("feed was trimmed before it was read", extra={"after": self._last})
            newest = await self._newest_id()
            for follower in self._followers:
                follower.fall_behind()
            self._last = newest

    async def _newest_id(self) -> str:
        with reaching_redis():
            newest: Any = await self._redis.xrevrange(self._keys.feed, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def _start_at(self, newest: str) -> None:
        self._last = newest
        for follower in self._followers:
            follower.start_at(newest)
        self._ready.set()

    def _give_out(self, item: RawItem) -> None:
        self._last = item.id
        for follower in self._followers:
            follower.offer(item)
        if any(call == item.call for call, _ in self._waiting):
            with contextlib.suppress(Undecodable):  # `wait_answer` also reads the snapshot
                for answer in item.decode().answers:
                    self._settle(item.call, answer)

    def _settle(self, call: CallId, answer: RequestResult) -> None:
        for answered in self._waiting.get((call, answer.request), ()):
            if not answered.done():
                answered.set_result(answer)
