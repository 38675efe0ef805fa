"""Is the gateway alive, is it ready, what does it count (reliability 5.1).

Ready means that pub/sub really delivers: a message to ourselves must come back, because a subscription can die without
a word. Alive never asks Redis: its outage must not restart every process.
"""

import asyncio
import logging
import secrets
import time
from typing import Final

from aiohttp import web
from redis.asyncio import Redis

from voicecall import metrics
from voicecall.bus.connection import reaching_redis
from voicecall.bus.subscription import Subscription
from voicecall.errors import BusUnavailable

__all__ = ["ReadinessProbe", "routes"]

_EVERY_S: Final = 2.0
_STALE_S: Final = 5.0

_log = logging.getLogger(__name__)


class ReadinessProbe:
    """`run()` beats until cancelled; `is_ready` while the last beat came back lately and nobody is leaving."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._channel = f"pulse:gateway-{secrets.token_hex(8)}"
        self._line = Subscription(redis, self._channel, on_message=self._heard)
        self._beat = b""
        self._heard_at: float | None = None
        self.draining = False

    @property
    def is_ready(self) -> bool:
        recent = self._heard_at is not None and time.monotonic() - self._heard_at < _STALE_S
        return recent and not self.draining

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._line.run())
            while True:
                await self._line.ready()
                try:
                    self._beat = secrets.token_bytes(16)
                    with reaching_redis():
                        await self._redis.publish(self._channel, self._beat)
                except BusUnavailable as error:
                    _log.warning("pulse missed", extra={"error": str(error)})
                await asyncio.sleep(_EVERY_S if self.is_ready else 0.1)

    def _heard(self, data: bytes) -> None:
        if secrets.compare_digest(data, self._beat):
            self._heard_at = time.monotonic()


def routes(probe: ReadinessProbe) -> list[web.RouteDef]:
    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if probe.is_ready else web.Response(status=503, text="not ready\n")

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", exposition)]
