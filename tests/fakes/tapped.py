"""An ingress whose calls can be listened in to: the real tap on the real bus, with audio that the test makes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from redis.asyncio import Redis

from ingress.taps import Taps
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.media.taps import TapPublisher
from voicecall.call.ids import CallId, NodeId
from voicecall.ports import Listen, MediaItem

__all__ = ["TappedIngress", "tapped_ingress"]

_FRAME_S = 0.02


class TappedIngress:
    """`caller`, `agent`: the frame of 160 bytes that each side sends again and again; b"": it is silent."""

    def __init__(self, redis: Redis, node: NodeId) -> None:
        self.caller = b""
        self.agent = b""
        self.asked = asyncio.Event()
        self._call = CallId("")
        self._taps = Taps(TapPublisher(redis).publish, time.monotonic, lambda _call: None)
        self._media = RedisMediaBus(redis, node)

    @property
    def is_tapped(self) -> bool:
        return self._taps.of(self._call) is not None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._media.run(self._take))
            group.create_task(self._speak())

    async def ready(self) -> None:
        await self._media.ready()

    async def close(self) -> None:
        await self._taps.close()

    def _take(self, item: MediaItem) -> None:
        if isinstance(item, Listen):
            self._call = item.call
            self._taps.renew(item)
            self.asked.set()

    async def _speak(self) -> None:
        number, due = 0, time.monotonic()
        while True:
            due += _FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            number += 1
            tap = self._taps.of(self._call)
            if tap is not None and self.caller:
                tap.on_caller_audio(number, self.caller)
            if tap is not None and self.agent:
                tap.played.sent(self.agent, due)


@contextlib.asynccontextmanager
async def tapped_ingress(redis: Redis, node: str = "ingress-small") -> AsyncIterator[TappedIngress]:
    ingress = TappedIngress(redis, NodeId(node))
    running = asyncio.create_task(ingress.run())
    try:
        await ingress.ready()
        yield ingress
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await ingress.close()
