"""Dead letters: log entries and snapshots that could not be decoded, kept with their bytes and the reason.

Written by log (commits and reads), lease and workers, read by operators (`voicecall dead`). An entry is kept once,
however often it is read (guarantee P17).
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.entries import UndecodableEntry
from voicecall.bus.scripts import Scripts
from voicecall.call.events import Event
from voicecall.call.ids import CallId, Seq
from voicecall.metrics import DEAD_LETTERS
from voicecall.wire import pack_event

__all__ = ["BYTES_KEPT", "LETTERS_KEPT", "DeadLetter", "DeadLetters"]

LETTERS_KEPT: Final = 1_000
BYTES_KEPT: Final = 65_536
_ID: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}\Z")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`at`: when it was set aside, epoch seconds. `seq` 0: it is not an entry of the log."""

    id: str
    at: float
    call: CallId
    seq: Seq
    reason: str
    data: bytes = field(repr=False)  # may quote the conversation


class DeadLetters:
    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = scripts

    async def set_aside(self, call: CallId, entries: Iterable[UndecodableEntry]) -> None:
        """Keep each of these entries unless it is kept already. Raises BusUnavailable."""
        for item in entries:
            new = await self._scripts.run(
                "set_aside",
                (self._keys.claims(call), self._keys.state(call), self._keys.dead),
                f"dead {item.seq}",
                call,
                item.seq,
                item.reason,
                item.data[:BYTES_KEPT],
                LETTERS_KEPT,
            )
            if new:
                _logger.error(
                    "undecodable entry set aside",
                    extra={"call_id": call, "seq": item.seq, "reason": item.reason},
                )
                DEAD_LETTERS.set(await self.count())

    async def set_aside_event(self, call: CallId, event: Event, *, seq: Seq | None, reason: str) -> None:
        """The same for an event that `decide` could not process; `seq` None: it is not in the log."""
        await self.set_aside(call, (UndecodableEntry(seq or Seq(0), pack_event(event), reason),))

    async def set_aside_bytes(self, call: CallId, data: bytes, *, reason: str) -> None:
        """The same for data of a call that is no event."""
        await self.set_aside(call, (UndecodableEntry(Seq(0), data, reason),))

    async def count(self) -> int:
        """The number of letters. Raises BusUnavailable."""
        with reaching_redis():
            return int(await self._redis.xlen(self._keys.dead))

    async def newest(self, limit: int) -> tuple[DeadLetter, ...]:
        """Up to `limit` letters, newest first. Raises BusUnavailable."""
        with reaching_redis():
            found: Any = await self._redis.xrevrange(self._keys.dead, count=limit)
        return tuple(_letter(name, fields) for name, fields in found)

    async def get(self, letter: str) -> DeadLetter | None:
        """The letter with this id, or None. Raises BusUnavailable."""
        if not _ID.match(letter):
            return None
        with reaching_redis():
            found: Any = await self._redis.xrange(self._keys.dead, min=letter, max=letter)
        return next((_letter(name, fields) for name, fields in found), None)

    async def drop(self, letter: str) -> bool:
        """Delete the letter; True when it existed. Raises BusUnavailable."""
        if not _ID.match(letter):
            return False
        with reaching_redis():
            return bool(await self._redis.xdel(self._keys.dead, letter))


def _letter(name: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=name.decode(),
        at=int(name.partition(b"-")[0]) / 1000,
        call=CallId(fields[b"call"].decode("utf-8", "replace")),
        seq=Seq(int(fields[b"seq"])),
        reason=fields[b"reason"].decode("utf-8", "replace"),
        data=fields[b"bytes"],
    )
