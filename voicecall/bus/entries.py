"""The bytes of log entries and of nudges.

An entry `0-<seq>` has two fields: `e`, the packed event, and `t`, its time. The time is outside the packed bytes
because only Redis knows it. A nudge is written by a Lua script: a line `<call> <at> <first seq> <length> ...`, then the
packed events one after the other. Bytes that cannot be decoded are returned as `UndecodableEntry` and never raised: one
bad entry must not stop a call (guarantee P17).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from voicecall.call.ids import CallId, Seq, is_call_id
from voicecall.ports import Record
from voicecall.wire import Undecodable, unpack_event

__all__ = ["Entries", "UndecodableEntry", "read_entries", "read_event", "read_nudge"]


@dataclass(frozen=True, slots=True)
class UndecodableEntry:
    """A log entry, or other bytes kept for a call, that this build cannot decode."""

    seq: Seq
    data: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Entries:
    """The decoded entries in order; the seqs of `records` have gaps where entries are `undecodable`."""

    records: tuple[Record, ...]
    undecodable: tuple[UndecodableEntry, ...] = ()


def read_entries(raw: Iterable[Any]) -> Entries:
    """From the reply of XRANGE: pairs of id and fields, a flat list (from a script) or a mapping (from the client)."""
    read: list[Record | UndecodableEntry] = []
    for entry_id, fields in raw:
        values = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=False))
        seq = Seq(int(entry_id.partition(b"-")[2]))
        read.append(read_event(seq, values.get(b"t", b""), values.get(b"e", b"")))
    return _split(read)


def read_event(seq: Seq, at: bytes | float, data: bytes) -> Record | UndecodableEntry:
    try:
        return Record(seq=seq, event=unpack_event(data, at=float(at)))
    except Undecodable as error:
        return UndecodableEntry(seq, data, str(error))
    except ValueError:
        return UndecodableEntry(seq, data, "entry has no time")


def read_nudge(data: bytes) -> tuple[CallId, Entries] | None:
    """The call and its new events; None for bytes that are no nudge."""
    header, newline, body = data.partition(b"\n")
    fields = header.split(b" ")
    if not newline or len(fields) < 4:
        return None
    try:
        call, first, lengths = fields[0].decode("ascii"), int(fields[2]), [int(length) for length in fields[3:]]
    except ValueError:
        return None
    if not is_call_id(call) or sum(lengths) != len(body) or min(lengths) < 0:
        return None
    read, start = [], 0
    for place, length in enumerate(lengths):
        read.append(read_event(Seq(first + place), fields[1], body[start : start + length]))
        start += length
    return CallId(call), _split(read)


def _split(read: list[Record | UndecodableEntry]) -> Entries:
    return Entries(
        tuple(item for item in read if isinstance(item, Record)),
        tuple(item for item in read if isinstance(item, UndecodableEntry)),
    )
