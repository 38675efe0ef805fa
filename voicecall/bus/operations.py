"""Operations: ids under which an API client asks later for the answer to a request that a call has yet to give.

Used by `service/calls.py`. Holds no answer: that is in the call's snapshot, so nothing is lost with the process that
took the request. The id is 256 random bits, the only way to the operation, and is stored as a digest.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.call.ids import CallId, RequestId, is_call_id
from voicecall.wire import Undecodable, pack, unpack

__all__ = ["KnownOperation", "Operations"]


@dataclass(frozen=True, slots=True)
class KnownOperation:
    """`left_s`: seconds until it expires."""

    call: CallId
    request: RequestId
    left_s: float


class Operations:
    """Both methods raise BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)

    async def remember(self, call: CallId, request: RequestId, ttl_s: float) -> str:
        """A new id for this request of this call, valid for `ttl_s`."""
        name = secrets.token_urlsafe(32)
        with reaching_redis():
            await self._redis.set(self._keys.operation(name), pack((call, request)), px=round(ttl_s * 1000))
        return name

    async def recall(self, name: str) -> KnownOperation | None:
        """The operation of this id; None when unknown or expired. Raises Undecodable for foreign data."""
        key = self._keys.operation(name)
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.get(key)
            pipeline.pttl(key)
            kept: list[Any] = await pipeline.execute()
        data, left_ms = kept
        if data is None:
            return None
        known = unpack(data)
        if not isinstance(known, list) or len(known) != 2 or not is_call_id(str(known[0])):
            raise Undecodable("stored value is no operation")
        return KnownOperation(CallId(str(known[0])), RequestId(str(known[1])), max(0, left_ms) / 1000)
