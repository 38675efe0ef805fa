"""A journal: one call's log as a file, an event a line, and the gist of what folding it gives.

Used by `voicecall replay`, by the test that replays journals and by the tool that records them. Pure but for the files;
knows `decide`, and nothing of Redis.
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

__all__ = ["Journal", "in_words", "read_journal", "steps", "summary", "write_journal"]

_VERSION = 1
_FACTS = (
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
    """`story`: what happened, in a sentence."""

    call: CallId
    story: str
    records: tuple[Record, ...]


def write_journal(path: Path, journal: Journal) -> None:
    """One line about the call, then a line per event, its fields beside its name and place."""
    head = {"version": _VERSION, "call": journal.call, "story": journal.story}
    rows = [
        {
            "seq": record.seq,
            "event": type(record.event).__name__,
            **to_wire(
                type(record.event).__name__, _SHAPES[type(record.event).__name__].dump_python(record.event, mode="json")
            ),
        }
        for record in journal.records
    ]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in [head, *rows]))


def read_journal(path: Path) -> Journal:
    """The reverse. Raises ValueError for what is no journal of a version we know, OSError for no file."""
    try:
        head, *rows = (orjson.loads(line) for line in path.read_bytes().splitlines())
        if head["version"] != _VERSION:
            raise ValueError(f"{path.name} has version {head['version']}")
        records = tuple(Record(seq=Seq(row.pop("seq")), event=_event(row.pop("event"), row)) for row in rows)
        return Journal(CallId(head["call"]), head["story"], records)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no journal: {error!r}") from error


def _event(name: str, row: dict[str, Any]) -> Event:
    event: Event = _SHAPES[name].validate_python(from_wire(name, row))
    return event


def steps(journal: Journal) -> Iterator[tuple[Record, Call | None, tuple[Effect, ...]]]:
    """Fold the journal: each record, the call after it, and what it asked for."""
    call: Call | None = None
    for record in journal.records:
        call, effects = decide(call, record.event, journal.call)
        yield record, call, effects


def summary(journal: Journal) -> dict[str, Any]:
    """What replaying the journal comes to, as plain data: where the call ended, its words, its dials, its effects."""
    call: Call | None = None
    asked: list[str] = []
    dials = 0
    for record, now, effects in steps(journal):
        call = now
        dials += sum(isinstance(effect, Dial) for effect in effects)
        asked += [f"{record.seq} {type(record.event).__name__} -> {in_words(effect)}" for effect in effects]
    if call is None:
        raise ValueError("this journal begins no call")
    return {
        "story": journal.story,
        "phase": call.phase.value,
        "end_reason": call.end_reason.value if call.end_reason else None,
        "transcript": [[line.speaker.value, line.text] for line in call.transcript],
        "turns": call.completed_turns,
        "reactivations": call.reactivations,
        "ignored": call.ignored,
        "dials": dials,
        "effects": asked,
    }


def in_words(effect: Effect) -> str:
    """The facts of it that matter outside: what an effect learns to carry besides is no other decision."""
    told = {name: getattr(effect, name) for name in _FACTS if getattr(effect, name, None) not in (None, "", ())}
    return f"{type(effect).__name__}({', '.join(f'{name}={value!r}' for name, value in told.items())})"
