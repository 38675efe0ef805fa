"""Which calls are not over: the count that admission obeys, and the orphans the sweeper rings for.

A call is here from its reservation or first event until the commit that ends it; a caller who was turned away never is.
Its score is the time until which an owner is assured, so whatever crashes, the call comes up as an orphan and is either
taken or, never having begun, forgotten.
"""

from typing import Any

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId

__all__ = ["LiveCalls"]


class LiveCalls:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    async def reserve(self, call: CallId, *, limit: int, grace_s: float = 10.0) -> bool:
        """Take one of `limit` places for `call`, atomically; True again for a call that has one.

        Every call that is not over counts, owned or orphaned, for the carrier counts it too. A place whose taker
        crashed before posting anything is free again when `grace_s` has passed.
        """
        return bool(await self._scripts.run("reserve", (keys.CALLS_LIVE,), call, limit, round(grace_s * 1000)))

    async def count(self) -> int:
        with reaching_redis():
            return int(await self._redis.zcard(keys.CALLS_LIVE))

    async def orphans(self, limit: int, *, hold_s: float = 0.0) -> tuple[CallId, ...]:
        """Up to `limit` calls of which no owner is assured any more, the longest waiting first.

        With `hold_s` they are not named again for so long, so that several sweepers do not all ring.
        """
        calls = await self._scripts.run("orphans", (keys.CALLS_LIVE,), limit, round(hold_s * 1000))
        return tuple(CallId(call.decode()) for call in calls)

    async def forget(self, call: CallId) -> None:
        """Give a reservation back: the call will not begin."""
        with reaching_redis():
            await self._redis.zrem(keys.CALLS_LIVE, call)

    async def members(self) -> tuple[CallId, ...]:
        with reaching_redis():
            calls: Any = await self._redis.zrange(keys.CALLS_LIVE, 0, -1)
        return tuple(CallId(call.decode()) for call in calls)
