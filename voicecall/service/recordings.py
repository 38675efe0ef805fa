"""Recordings of ended calls, for API clients: what is known of one, its bytes, and short-lived addresses for players.

A browser's player sends no token, so the method that finds a recording also gives an address that works for a few
minutes, at any gateway. The store's methods block, so they run in threads.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any, Final, TypeVar

import orjson
from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.call.ids import CallId, is_call_id
from voicecall.errors import BusError, NotFound, RecordingStoreUnavailable, Unavailable
from voicecall.recording import RecordingStore
from voicecall.recording.segments import facts_name, recording_name

__all__ = ["TICKET_S", "RecordingService"]

_log = logging.getLogger(__name__)

TICKET_S: Final = 600
"""How long the address of a recording works."""

T = TypeVar("T")


class RecordingService:
    """Every method raises Unavailable. `store` None: no call is recorded here."""

    def __init__(self, redis: Redis, store: RecordingStore | None) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._store = store

    async def find(self, call: str) -> dict[str, Any] | None:
        """The facts of a recording; None when there is none."""
        if not is_call_id(call):
            return None
        data = await self._stored(lambda store: store.get(facts_name(CallId(call))))
        return None if data is None else orjson.loads(data)

    async def size(self, call: CallId) -> int:
        """In bytes. Raises NotFound."""
        size = await self._stored(lambda store: store.size(recording_name(call)))
        if size is None:
            raise NotFound("there is no recording of this call")
        return size

    async def read(self, call: CallId, first: int, length: int) -> bytes:
        return await self._stored(lambda store: store.read(recording_name(call), first, length)) or b""

    async def ticket(self, call: CallId) -> str:
        """What opens this recording, for `TICKET_S`."""
        ticket = secrets.token_urlsafe(24)
        try:
            with reaching_redis():
                await self._redis.set(self._keys.recording_ticket(ticket), call, ex=TICKET_S)
        except BusError as error:
            raise Unavailable(error.public) from error
        return ticket

    async def opens(self, ticket: str, call: CallId) -> bool:
        """Whether the ticket is of this call's recording."""
        try:
            with reaching_redis():
                found = await self._redis.get(self._keys.recording_ticket(ticket))
        except BusError as error:
            raise Unavailable(error.public) from error
        return bool(found == call.encode())

    async def _stored(self, query: Callable[[RecordingStore], T]) -> T | None:
        if self._store is None:
            return None
        try:
            return await asyncio.to_thread(query, self._store)
        except RecordingStoreUnavailable as error:
            _log.error("recordings cannot be read", extra={"error": str(error)})
            raise Unavailable("the store of recordings does not answer; ask again", retry_after_ms=5_000) from error
