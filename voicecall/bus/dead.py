"""The dead letters of the bus: log entries and snapshots that nobody could read, kept with their bytes and the reason.

Written by log and lease, read by operators (`voicecall dead`). An entry is set aside once, however often it is met
(reliability P17).
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.entries import Spoiled
from voicecall.bus.scripts import Scripts
from voicecall.call.events import Event
from voicecall.call.ids import CallId, Seq
from voicecall.metrics import DEAD_LETTERS
from voicecall.wire import pack_event

__all__ = ["DeadLetters", "Letter"]

_KEPT: Final = 1_000
_BYTES_KEPT: Final = 65_536
_ID: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}\Z")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`at`: when it was set aside, epoch seconds. `seq` 0: it is not an entry of the log, but something beside it."""

    id: str
    at: float
    call: CallId
    seq: Seq
    reason: str
    data: bytes = field(repr=False)  # may hold what people said


class DeadLetters:
    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._redis = redis
        self._scripts = scripts

    async def set_aside(self, call: CallId, spoiled: Iterable[Spoiled]) -> None:
        """Keep each of these, unless it is kept already. Raises BusUnavailable."""
        for item in spoiled:
            new = await self._scripts.run(
                "set_aside",
                (keys.claims(call), keys.state(call), keys.DEAD),
                f"dead {item.seq}",
                call,
                item.seq,
                item.reason,
                item.data[:_BYTES_KEPT],
                _KEPT,
            )
            if new:
                _logger.error(
                    "undecodable entry set aside",
                    extra={"call_id": call, "seq": item.seq, "reason": item.reason},
                )
                DEAD_LETTERS.set(await self.count())

    async def set_aside_event(self, call: CallId, event: Event, *, seq: Seq | None, reason: str) -> None:
        """The same for an event that `decide` could not process; `seq` None: it is not in the log."""
        await self.set_aside(call, (Spoiled(seq or Seq(0), pack_event(event), reason),))

    async def set_aside_bytes(self, call: CallId, data: bytes, *, reason: str) -> None:
        """The same for data of a call that is no event."""
        await self.set_aside(call, (Spoiled(Seq(0), data, reason),))

    async def count(self) -> int:
        """How many are kept. Raises BusUnavailable."""
        with reaching_redis():
            return int(await self._redis.xlen(keys.DEAD))

    async def newest(self, limit: int) -> tuple[Letter, ...]:
        """Up to `limit` of them, newest first. Raises BusUnavailable."""
        with reaching_redis():
            found: Any = await self._redis.xrevrange(keys.DEAD, count=limit)
        return tuple(_letter(name, fields) for name, fields in found)

    async def get(self, letter: str) -> Letter | None:
        """The letter of that id; None when there is none. Raises BusUnavailable."""
        if not _ID.match(letter):
            return None
        with reaching_redis():
            found: Any = await self._redis.xrange(keys.DEAD, min=letter, max=letter)
        return next((_letter(name, fields) for name, fields in found), None)

    async def drop(self, letter: str) -> bool:
        """Keep it no more; True when it was kept. Raises BusUnavailable."""
        if not _ID.match(letter):
            return False
        with reaching_redis():
            return bool(await self._redis.xdel(keys.DEAD, letter))


def _letter(name: bytes, fields: Mapping[bytes, bytes]) -> Letter:
    return Letter(
        id=name.decode(),
        at=int(name.partition(b"-")[0]) / 1000,
        call=CallId(fields[b"call"].decode("utf-8", "replace")),
        seq=Seq(int(fields[b"seq"])),
        reason=fields[b"reason"].decode("utf-8", "replace"),
        data=fields[b"bytes"],
    )
