"""The live calls: their number, for admission, and those without an owner (orphans), for the sweeper.

A call is live from its reservation or first event until the commit that ends it; a refused inbound call never is. Each
has a time until which an owner is assured, so that after any crash the call becomes an orphan, which a worker takes
over or, if it never began, removes.
"""

from typing import Any

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId

__all__ = ["LiveCalls"]


class LiveCalls:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def reserve(self, call: CallId, *, limit: int, inbound: bool = False, grace_s: float = 10.0) -> bool:
        """Take one of `limit` slots for `call`, atomically; True again for a call that has one, False once it is over.

        Calls that we place and inbound calls are counted separately. Every live call counts, owned or orphaned, because
        the carrier counts it too. The slot of a process that crashed before it posted anything is free again after
        `grace_s`.
        """
        slots = (self._keys.calls_live, self._keys.calls_inbound, self._keys.state(call))
        prefix, direction = self._keys.call_prefix, "in" if inbound else "out"
        return bool(await self._scripts.run("reserve", slots, call, limit, round(grace_s * 1000), prefix, direction))

    async def count(self) -> int:
        with reaching_redis():
            return int(await self._redis.zcard(self._keys.calls_live))

    async def orphans(self, limit: int, *, hold_s: float = 0.0) -> tuple[CallId, ...]:
        """Up to `limit` calls whose owner is no longer assured, the longest waiting first.

        They are not returned again for `hold_s`, so that several sweepers do not all ring.
        """
        calls = await self._scripts.run("orphans", (self._keys.calls_live,), limit, round(hold_s * 1000))
        return tuple(CallId(call.decode()) for call in calls)

    async def forget(self, call: CallId) -> None:
        """Give a slot back: the call will not begin."""
        with reaching_redis():
            await self._redis.zrem(self._keys.calls_live, call)

    async def list(self) -> tuple[CallId, ...]:
        with reaching_redis():
            calls: Any = await self._redis.zrange(self._keys.calls_live, 0, -1)
        return tuple(CallId(call.decode()) for call in calls)
