"""A journal: the log of one call as a file, one event per line, and a summary of what folding it gives.

Used by `voicecall replay`, by the test that replays journals and by the tool that records them. Knows `decide` and
files, not Redis. Events have the names and fields of the wire.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from voicecall.call.decide import decide
from voicecall.call.effects import Dial, Effect
from voicecall.call.events import EVENTS, Event
from voicecall.call.ids import CallId, Seq
from voicecall.call.state import Call
from voicecall.ports import Record
from voicecall.wire import from_wire, to_wire

__all__ = ["Journal", "describe", "read_journal", "steps", "summary", "write_journal"]

_VERSION = 1
_SUMMARISED_FIELDS = (
    "to",
    "from_",
    "ring_timeout_s",
    "time_limit_s",
    "leg",
    "utterance",
    "turn",
    "said",
    "text",
    "or_clip",
    "digits",
    "request",
    "ok",
)
_SHAPES: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(cls) for name, cls in EVENTS.items()}


@dataclass(frozen=True)
class Journal:
    """The log of one call. `story`: what happened, in a sentence."""

    call: CallId
    story: str
    records: tuple[Record, ...]


def write_journal(path: Path, journal: Journal) -> None:
    """Write one line about the call, then one line per event: its seq, its name, its fields."""
    head = {"version": _VERSION, "call": journal.call, "story": journal.story}
    rows = [{"seq": record.seq, "event": record.event.name, **_fields(record.event)} for record in journal.records]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in [head, *rows]))


def read_journal(path: Path) -> Journal:
    """The reverse of `write_journal`. Raises ValueError for another format or version, OSError for no file."""
    try:
        head, *rows = (orjson.loads(line) for line in path.read_bytes().splitlines())
        if head["version"] != _VERSION:
            raise ValueError(f"{path.name} has version {head['version']}")
        records = tuple(Record(seq=Seq(row.pop("seq")), event=_event(row.pop("event"), row)) for row in rows)
        return Journal(CallId(head["call"]), head["story"], records)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no journal: {error!r}") from error


def _fields(event: Event) -> dict[str, Any]:
    return to_wire(event.name, _SHAPES[event.name].dump_python(event, mode="json"))


def _event(name: str, row: dict[str, Any]) -> Event:
    event: Event = _SHAPES[name].validate_python(from_wire(name, row))
    return event


def steps(journal: Journal) -> Iterator[tuple[Record, Call | None, tuple[Effect, ...]]]:
    """Fold the journal: each record, the call after it, and the effects it requested."""
    call: Call | None = None
    for record in journal.records:
        call, effects = decide(call, record.event, journal.call)
        yield record, call, effects


def summary(journal: Journal) -> dict[str, Any]:
    """The result of replaying the journal, as plain data: how the call ended, its transcript, dials and effects."""
    call: Call | None = None
    requested: list[str] = []
    dials = 0
    for record, now, effects in steps(journal):
        call = now
        dials += sum(isinstance(effect, Dial) for effect in effects)
        requested += [f"{record.seq} {record.event.name} -> {describe(effect)}" for effect in effects]
    if call is None:
        raise ValueError("this journal begins no call")
    return {
        "story": journal.story,
        "phase": call.phase.value,
        "end_reason": call.end_reason.value if call.end_reason else None,
        "transcript": [[entry.speaker.value, entry.text] for entry in call.transcript],
        "turns": call.stats.completed_turns,
        "reactivations": call.reactivations,
        "ignored": call.ignored,
        "dials": dials,
        "effects": requested,
    }


def describe(effect: Effect) -> str:
    """An effect and those of its fields that decide what is done; fields that are empty are left out."""
    fields = {
        name: getattr(effect, name) for name in _SUMMARISED_FIELDS if getattr(effect, name, None) not in (None, "", ())
    }
    return f"{effect.name}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
