"""The ingresses that take requests: one that stops has to know whether another one takes over its calls.

Every ingress announces itself once a second while it listens and is not draining. Used by `ingress/app.py`, and by
workers to learn that one was killed.
"""

import asyncio
import logging
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import NodeId
from voicecall.errors import BusError

__all__ = ["Ingresses"]

_log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
_FRESH_S: Final = 3.0
_LISTENED_MS: Final = 30_000


class Ingresses:
    """Every method but `run` raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._key = self._keys.ingresses
        self._scripts = Scripts(redis)
        self._has_left = False
        self._announcing = asyncio.Lock()  # an announcement under way must not arrive after the leave

    async def run(self, me: NodeId) -> None:
        """Announce `me` every second until cancelled."""
        while True:
            try:
                await self.announce(me)
            except BusError as error:
                _log.warning("ingress not announced", extra={"error": str(error)})
            await asyncio.sleep(_EVERY_S)

    async def announce(self, me: NodeId) -> None:
        """This ingress takes requests now. Does nothing after `leave`."""
        async with self._announcing:
            if not self._has_left:
                kept = (self._key, self._keys.listened(me))
                await self._scripts.run("listens", kept, me, self._keys.media(me), _LISTENED_MS)

    async def known(self) -> dict[NodeId, tuple[float, bool]]:
        """When each ingress last announced itself, epoch seconds (Redis clock), and whether that was a moment ago."""
        with reaching_redis():
            seconds, micros = await self._redis.time()
            found: Any = await self._redis.zrange(self._key, 0, -1, withscores=True)
        fresh = seconds + micros / 1e6 - _FRESH_S
        return {NodeId(name.decode()): (at, at >= fresh) for name, at in found}

    async def is_silent(self, ingress: NodeId) -> bool:
        """Whether nothing listens on this ingress's media channel, on the server on which it has listened."""
        return bool(await self._scripts.run("silent", (self._keys.listened(ingress),), self._keys.media(ingress)))

    async def leave(self, me: NodeId) -> bool:
        """This ingress takes requests no more; whether another one does."""
        self._has_left = True
        async with self._announcing:
            pass
        with reaching_redis():
            await self._redis.zrem(self._key, me)
            seconds, micros = await self._redis.time()
            oldest = seconds + micros / 1e6 - _FRESH_S
            await self._redis.zremrangebyscore(self._key, "-inf", oldest)
            left: Any = await self._redis.zcard(self._key)
        return bool(left)
