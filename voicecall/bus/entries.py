"""Log entries and nudges: how events lie in a call's log, and how they are told to its owner.

An entry `0-<seq>` has two fields: `e`, the packed event, and `t`, its time. The time stands outside the packed bytes
because only Redis knows it. A nudge is text a Lua script can write: `<call> <at> <first seq> <length> <length> ...`,
a newline, and the packed events one after the other. What cannot be decoded comes back as `Spoiled`, never as an error:
one bad entry must not stop a call (reliability P17).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from voicecall.call.ids import CallId, Seq, is_call_id
from voicecall.ports import Record
from voicecall.wire import Undecodable, unpack_event

__all__ = ["Entries", "Spoiled", "read_entries", "read_event", "read_nudge"]


@dataclass(frozen=True, slots=True)
class Spoiled:
    """An entry nobody can read."""

    seq: Seq
    data: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Entries:
    """What was read, in order; the seqs of `records` have holes where `spoiled` ones lie."""

    records: tuple[Record, ...]
    spoiled: tuple[Spoiled, ...] = ()


def read_entries(raw: Iterable[Any]) -> Entries:
    """The reply of XRANGE: (id, fields) each, fields as a flat list (from a script) or a mapping (from the client)."""
    read: list[Record | Spoiled] = []
    for entry_id, fields in raw:
        values = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=False))
        seq = Seq(int(entry_id.partition(b"-")[2]))
        read.append(read_event(seq, values.get(b"t", b""), values.get(b"e", b"")))
    return _sorted_out(read)


def read_event(seq: Seq, at: bytes | float, data: bytes) -> Record | Spoiled:
    try:
        return Record(seq=seq, event=unpack_event(data, at=float(at)))
    except Undecodable as error:
        return Spoiled(seq, data, str(error))
    except ValueError:
        return Spoiled(seq, data, "entry has no time")


def read_nudge(data: bytes) -> tuple[CallId, Entries] | None:
    """The call and its new events; None for anything that is not a nudge."""
    header, newline, body = data.partition(b"\n")
    words = header.split(b" ")
    if not newline or len(words) < 4:
        return None
    try:
        call, first, lengths = words[0].decode("ascii"), int(words[2]), [int(word) for word in words[3:]]
    except ValueError:
        return None
    if not is_call_id(call) or sum(lengths) != len(body) or min(lengths) < 0:
        return None
    read, start = [], 0
    for place, length in enumerate(lengths):
        read.append(read_event(Seq(first + place), words[1], body[start : start + length]))
        start += length
    return CallId(call), _sorted_out(read)


def _sorted_out(read: list[Record | Spoiled]) -> Entries:
    return Entries(
        tuple(item for item in read if isinstance(item, Record)),
        tuple(item for item in read if isinstance(item, Spoiled)),
    )
