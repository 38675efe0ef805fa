"""Idempotency keys of API requests: each names one call, however often the request is repeated (guarantee P3)."""

from typing import Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of
from voicecall.bus.keys import digest
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId
from voicecall.errors import Conflict

__all__ = ["Idempotency"]

_DAY_S: Final = 86_400.0


class Idempotency:
    def __init__(self, redis: Redis) -> None:
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def remember(self, key: str, fingerprint: str, call: CallId, ttl_s: float = _DAY_S) -> CallId:
        """The call that `key` names: `call` for the first request in `ttl_s`, else the call of the first request.

        `fingerprint` identifies the request's content. Raises Conflict for a known key with another fingerprint, and
        BusUnavailable.
        """
        mine = f"{call} {digest(fingerprint).hex()}"
        kept = (await self._scripts.run("remember", (self._keys.idem(key),), mine, round(ttl_s * 1000))).decode()
        first, _, first_fingerprint = kept.partition(" ")
        if first_fingerprint != mine.partition(" ")[2]:
            raise Conflict("this idempotency key was used with another request", call_id=first)
        return CallId(first)
