"""Logs and snapshots of earlier builds: each log is read, and each snapshot that has the version of today.

Events keep version 1, so that both builds read each other's entries during a rolling upgrade. Snapshots have version 2:
a build that cannot read one folds the log instead, and arrives at the same state. `tests/data/v1` holds snapshots of
version 1, `tests/data/v2` of version 2 from before playback could be paused.
"""

import base64
import json
from dataclasses import fields, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from redis.asyncio import Redis

from tests.bus.calls import ALICE, taken
from tests.fakes.keys import keys
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.call.decide import decide
from voicecall.call.events import EVENTS, Failover, Timer
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.journal import read_journal
from voicecall.wire import Undecodable, pack_call, pack_event, unpack, unpack_call, unpack_event

TESTS = Path(__file__).parent.parent
recorded = pytest.mark.parametrize("path", sorted((TESTS / "data" / "v1").glob("*.json")), ids=lambda path: path.stem)
recorded_2 = pytest.mark.parametrize(
    "path", sorted((TESTS / "data" / "v2").glob("*.json")), ids=lambda path: f"{path.stem}-2"
)


class Recording:
    """`log`: the packed events of one call; `snapshot`: its packed state after the first `applied` of them."""

    def __init__(self, path: Path) -> None:
        held = json.loads(path.read_text())
        self.call = CallId(held["call"])
        self.applied: int = held["snapshot_seq"]
        self.snapshot = base64.b64decode(held["snapshot"])
        self.log = [base64.b64decode(entry) for entry in held["log"]]
        self.journal = read_journal(TESTS / "replay" / f"{held['journal']}.jsonl")

    def folded(self) -> Call:
        call: Call | None = None
        for entry in self.log[: self.applied]:
            call, _ = decide(call, unpack_event(entry), self.call)
        assert call is not None
        return call


@recorded_2
def test_a_snapshot_from_before_pauses_is_read_as_the_log_folds(path: Path) -> None:
    """What it does not have is as it was: no pause, no keys under way, no question to a silent caller."""
    recording = Recording(path)
    call = unpack_call(recording.snapshot)
    assert _facts(call) == _facts(recording.folded())
    assert not call.playback.paused
    assert call.policy.turns.silence_s == 0
    assert call.stream is None or not call.stream.pauses


@recorded_2
def test_the_build_before_pauses_finds_every_field_it_knows(path: Path) -> None:
    """It ignores what it does not know."""
    recording = Recording(path)
    written, recorded = unpack(pack_call(recording.folded())), unpack(recording.snapshot)
    assert written[:2] == recorded[:2]
    assert _with_recorded_fields(written[2], recorded[2]) == recorded[2]


_TIMERS_OF_BUILDS_BEFORE_PAUSES = frozenset(
    (
        *("max-duration", "stale", "notify-hangup", "opening", "transcript", "reconnect", "look-up", "filler"),
        *("reply", "playback", "unheard", "verdict", "greeting", "retry-hangup", "keys"),
    )
)


def test_a_snapshot_names_no_timer_that_an_earlier_build_refuses() -> None:
    """Its validation takes a whole snapshot or none; what it does not know stands in a field that it ignores."""
    call = replace(Recording(TESTS / "data" / "v2" / "continue.json").folded(), timers=dict.fromkeys(Timer, 1.0))
    packed = pack_call(call)
    assert set(unpack(packed)[2]["timers"]) == _TIMERS_OF_BUILDS_BEFORE_PAUSES
    assert unpack_call(packed) == call


@recorded_2
def test_events_from_before_pauses_are_read_and_written_as_they_were(path: Path) -> None:
    for entry in Recording(path).log:
        written, recorded = unpack(pack_event(unpack_event(entry))), unpack(entry)
        assert _with_recorded_fields(written[2], recorded[2]) == recorded[2]


@recorded
def test_recorded_events_are_read_and_written_as_they_were(path: Path) -> None:
    """No field of the log was renamed or lost; a field that was added since has its default."""
    recording = Recording(path)
    events = [unpack_event(entry) for entry in recording.log]
    assert events == [record.event for record in recording.journal.records]
    for event, entry in zip(events, recording.log, strict=True):
        written, recorded = unpack(pack_event(event)), unpack(entry)
        assert written[:2] == recorded[:2]
        assert _with_recorded_fields(written[2], recorded[2]) == recorded[2]


def _with_recorded_fields(written: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
    """What is written now, without the fields that an earlier build did not have."""
    return {
        name: _with_recorded_fields(value, recorded[name]) if isinstance(recorded[name], dict) else value
        for name, value in written.items()
        if name in recorded
    }


@recorded
def test_a_recorded_snapshot_is_refused(path: Path) -> None:
    with pytest.raises(Undecodable, match="version 1"):
        unpack_call(Recording(path).snapshot)


@recorded
def test_the_earlier_build_refuses_a_snapshot_of_this_one(path: Path) -> None:
    """Its rule: the first element of an envelope is 1, or the envelope is undecodable."""
    assert unpack(pack_call(Recording(path).folded()))[0] != 1


@recorded
async def test_a_call_of_the_earlier_build_is_taken_up_from_its_log(redis: Redis, path: Path) -> None:
    """The new owner folds the log to the state that the refused snapshot holds: nothing is lost, and no dead letter."""
    recording = Recording(path)
    call, seqs = recording.call, range(1, recording.applied + 1)
    await _store(redis, recording)

    ingest = taken(await RedisLeases(redis).acquire(call, ALICE))
    assert (ingest.call, ingest.applied, [record.seq for record in ingest.rest]) == (None, 0, list(seqs))
    assert ingest.refolds
    state: Call | None = None
    for record in ingest.rest:
        state, _ = decide(state, record.event, call)
    assert state == recording.folded()
    assert _facts(state) == _facts_of_version_1(unpack(recording.snapshot)[2])
    assert await redis.xlen(keys.dead) == 0
    with pytest.raises(Undecodable):
        await RedisCallLog(redis).read(call)


async def _store(redis: Redis, recording: Recording) -> None:
    """Leave the call in Redis as a worker of the earlier build does that is killed."""
    for seq, entry in enumerate(recording.log[: recording.applied], start=1):
        await redis.xadd(keys.log(recording.call), {"t": repr(unpack_event(entry).at), "e": entry}, id=f"0-{seq}")
    state = {"snapshot": recording.snapshot, "applied": recording.applied, "epoch": 1, "phase": "active", "over": 0}
    await redis.hset(keys.state(recording.call), mapping=state)


def _facts(call: Call) -> dict[str, Any]:
    question = call.pending_continue
    return {
        "phase": call.phase,
        "leg": call.leg,
        "stream": call.stream and call.stream.id,
        "turn": call.turn,
        "reply_due": call.reply_due,
        "utterances": [(utterance.no, utterance.text, utterance.began_at) for utterance in call.utterances],
        "continue": question and (question.request, question.utterance, question.listening_since),
        "transcript": [(entry.speaker, entry.text) for entry in call.transcript],
        "timers": dict(call.timers),
        "pending": [(effect.name, effect.id) for effect in call.pending.values()],
        "effects_made": call.effects_made,
        "seen_at": call.last_event_at,
    }


def _facts_of_version_1(fields: dict[str, Any]) -> dict[str, Any]:
    stream, waiter = fields["stream"], fields["waiter"]
    return {
        "phase": fields["phase"],
        "leg": fields["leg"],
        "stream": stream and stream["id"],
        "turn": fields["turn"],
        "reply_due": fields["reply_due"],
        "utterances": [(each["no"], each["text"], each["began_at"]) for each in fields["utterances"]],
        "continue": waiter and (waiter["request"], waiter["utterance"], waiter["listening_since"]),
        "transcript": [(line["speaker"], line["text"]) for line in fields["transcript"]],
        "timers": fields["timers"],
        "pending": [(name, effect["id"]) for name, effect in fields["pending"]],
        "effects_made": fields["effects_made"],
        "seen_at": fields["seen_at"],
    }


_EVENTS_OF_BUILDS_BEFORE_FAILOVERS = frozenset(
    (
        *("Placed", "Arrived", "TurnedAway", "Dialled", "DialRefused", "DialLost", "Ringing", "Answered"),
        *("GreetingEnded", "HungUp", "Billed", "LegSeen", "StreamOpened", "StreamClosed", "StreamUnusable"),
        *("SpeechStarted", "SpeechStopped", "Heard", "HearingFailed", "HearingLost", "HearingBack", "Keyed"),
        *("PlaybackBegan", "PlaybackDone", "SpeechFailed", "AgentSaid", "AgentDone", "AgentFailed", "SpeakAsked"),
        *("ContinueAsked", "DigitsAsked", "EndAsked", "CommandDone", "CommandFailed", "TimerFired", "Reactivated"),
    )
)


def test_a_log_names_no_event_that_an_earlier_build_sets_aside() -> None:
    """A new fact is a field of an event that every build knows."""
    assert set(EVENTS) == _EVENTS_OF_BUILDS_BEFORE_FAILOVERS


@pytest.mark.parametrize("name", ["Heard", "PlaybackBegan", "AgentSaid"])
def test_the_build_before_failovers_reads_an_event_with_one(name: str) -> None:
    """It knows every other field, and ignores that one, as all its readers do."""
    fact = Failover(service="stt", from_="a", to="b", reason="timeout")
    kind = EVENTS[name]
    made = kind(**{"Heard": {"text": "x"}, "PlaybackBegan": {"utterance": 1}}.get(name, {"turn": 1, "text": "x"}))
    packed = pack_event(replace(made, failover=fact))  # type: ignore[call-arg]
    earlier = make_dataclass(
        name, [(each.name, each.type, each) for each in fields(kind) if each.name != "failover"], kw_only=True
    )
    read = TypeAdapter(earlier).validate_python(unpack(packed)[2])
    assert {each.name: getattr(read, each.name) for each in fields(read)} == {
        each.name: getattr(made, each.name) for each in fields(made) if each.name != "failover"
    }
    assert unpack_event(packed) == replace(made, failover=fact)  # type: ignore[call-arg]
