"""Calls recorded from real processes, folded by today's `decide`: the same decisions (guarantee P21)."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from voicecall.call.decide import decide
from voicecall.call.effects import Dial, SendDigits
from voicecall.call.events import Placed, Reactivated
from voicecall.call.ids import Epoch
from voicecall.call.state import Call
from voicecall.journal import Journal, read_journal, steps, summary
from voicecall.wire import pack_call, pack_event, unpack_call, unpack_event

PATHS = sorted(Path(__file__).parent.glob("*.jsonl"))
journals = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_every_kind_of_call_is_recorded() -> None:
    """Without this, a lost journal would be a test that passes."""
    assert {path.stem for path in PATHS} >= {
        "conversation-barge-in",
        "cough-and-keys",
        "failover",
        "lost-dial",
        "notify",
        "refused",
        "socket-cut",
    }


@journals
def test_a_recorded_call_is_decided_as_it_was(path: Path) -> None:
    """Phase, transcript, dials and every effect. `python -m tests.replay.record --state` records an intended change."""
    assert summary(read_journal(path)) == orjson.loads(path.with_suffix(".golden.json").read_bytes())


@journals
def test_a_recorded_call_dials_once_if_it_dials(path: Path) -> None:
    journal = read_journal(path)
    assert summary(journal)["dials"] == sum(isinstance(record.event, Placed) for record in journal.records)


@journals
def test_a_crash_after_any_event_never_dials_or_presses_again(path: Path) -> None:
    """Reactivate after every prefix: what may have happened is queried, not done twice (guarantee P3)."""
    journal = read_journal(path)
    for record, call, _ in steps(journal):
        if call is None:
            continue
        _, effects = decide(call, Reactivated(at=record.event.at, epoch=Epoch(9)), journal.call)
        assert not any(isinstance(effect, Dial | SendDigits) for effect in effects)


@journals
def test_replaying_a_recorded_call_twice_changes_nothing_more(path: Path) -> None:
    """Every event again, after the end: the call only counts what it ignores (guarantee P18)."""
    journal = read_journal(path)
    *_, (_, ended, _) = steps(journal)
    assert ended is not None
    call = ended
    for record in journal.records:
        now, effects = decide(call, record.event, journal.call)
        assert now is not None
        assert _but_counts(now) == _but_counts(ended)
        assert {effect.name for effect in effects} <= {"Resolve"}
        call = now


def _but_counts(call: Call) -> Call:
    return replace(
        call,
        ignored=0,
        last_event_at=0.0,
        leg_state=replace(call.leg_state, last_signal_at=0.0),
        effects_made=0,
        results=(),
    )


@journals
def test_a_recorded_call_survives_the_wire_at_every_step(path: Path) -> None:
    """Snapshots and events as Redis holds them: what is read is what was written."""
    journal: Journal = read_journal(path)
    for record, call, _ in steps(journal):
        assert unpack_event(pack_event(record.event)) == record.event
        if call is not None:
            assert unpack_call(pack_call(call)) == call
