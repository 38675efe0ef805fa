"""Whether the gateway is ready: Redis takes a write, and a message that the gateway publishes to itself comes back.

A subscription can die silently, and a server that is full, or a replica, still answers and publishes. `app` runs the
probe and gives `ready` to the health routes. Knows no HTTP.
"""

import asyncio
import logging
import secrets
import time
from typing import Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.subscription import Subscription
from voicecall.errors import BusUnavailable

__all__ = ["ReadinessProbe"]

_EVERY_S: Final = 2.0
_STALE_S: Final = 5.0
_KEPT_MS: Final = 10_000

_log = logging.getLogger(__name__)


class ReadinessProbe:
    """`run` publishes every two seconds until cancelled. Set `draining` when the gateway stops."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        name = f"gateway-{secrets.token_hex(8)}"
        self._key, self._channel = keys_of(redis).probe(name), keys_of(redis).pulse(name)
        self._subscription = Subscription(redis, self._channel, on_message=self._on_message)
        self._sent = b""
        self._returned_at: float | None = None
        self.draining = False

    def ready(self) -> str:
        """Why the gateway should get no work; empty when it should."""
        if self.draining:
            return "closing"
        recent = self._returned_at is not None and time.monotonic() - self._returned_at < _STALE_S
        return "" if recent else "redis"

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._subscription.run())
            while True:
                await self._subscription.ready()
                try:
                    self._sent = secrets.token_bytes(16)
                    with reaching_redis():
                        await self._redis.set(self._key, b"1", px=_KEPT_MS)
                        await self._redis.publish(self._channel, self._sent)
                except BusUnavailable as error:
                    _log.warning("readiness probe not published", extra={"error": str(error)})
                await asyncio.sleep(_EVERY_S if not self.ready() else 0.1)

    def _on_message(self, data: bytes) -> None:
        if secrets.compare_digest(data, self._sent):
            self._returned_at = time.monotonic()
