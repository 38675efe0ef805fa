"""The tables that route events and decide what is done: complete, true of `decide`, and drawn in the documentation."""

import importlib.util
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from tests.call.story import LEG, Story, inbound, outbound, placed, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call import state, step
from voicecall.call.amd import AMD
from voicecall.call.decide import ENDING, ROUTES, TIMERS
from voicecall.call.leg import LEG as LEG_TABLE
from voicecall.call.recovery import RECOVERY
from voicecall.call.state import Phase

DOCS = Path(__file__).parent.parent.parent / "docs"

_OF_LEG = {
    e.Dialled: e.Dialled(leg=LEG),
    e.DialLost: e.DialLost(),
    e.DialRefused: e.DialRefused(code="", message=""),
    e.Ringing: e.Ringing(leg=LEG),
    e.Answered: e.Answered(leg=LEG),
    e.HungUp: e.HungUp(leg=LEG),
}


def in_phase(phase: Phase) -> Story:
    """An outbound call with a leg in this phase; INITIATED has none yet."""
    match phase:
        case Phase.INITIATED:
            return Story().fold(placed())
        case Phase.RINGING:
            return Story().fold(placed(), e.Dialled(leg=LEG), e.Ringing(leg=LEG))
        case Phase.ANSWERED:
            return Story().fold(placed(), e.Dialled(leg=LEG), e.Answered(leg=LEG))
        case Phase.ACTIVE:
            return Story().fold(replace(placed(), opening_digits="1"), e.Dialled(leg=LEG), stream_opened())
        case Phase.SPEAKING:
            return outbound()
        case _:
            return inbound()


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.is_over])
@pytest.mark.parametrize("kind", list(LEG_TABLE), ids=lambda kind: kind.name)
def test_an_event_of_the_leg_moves_a_call_as_the_table_says(kind: type[e.Event], phase: Phase) -> None:
    story = in_phase(phase)
    assert story.live.phase is phase
    story.fold(_OF_LEG[kind])
    assert story.live.phase is LEG_TABLE[kind].get(phase, phase)


def test_every_event_has_a_rule() -> None:
    """Three events begin a call; every other has one rule while it lives, and may have another while it ends."""
    begin = {e.Placed, e.Arrived, e.CallRejected}
    assert {*ROUTES, *begin} == set(e.EVENTS.values())
    assert set(ENDING) < set(ROUTES)


def test_every_timer_has_a_rule() -> None:
    assert set(TIMERS) == set(e.Timer)


def test_every_awaited_effect_has_a_recovery() -> None:
    assert set(RECOVERY) == set(get_args(f.AwaitedEffect))


def test_every_amd_result_has_an_action_under_every_policy() -> None:
    assert {(by, what) for by, row in AMD.items() for what in row} == {
        (by, w) for by in e.AnsweredBy for w in e.OnMachine
    }


@pytest.mark.parametrize("kinds", [e.EVENTS, f.EFFECTS])
def test_no_two_classes_share_a_name_on_the_wire(kinds: dict[str, type]) -> None:
    """A union with two classes of one name would lose one of them when read."""
    union = get_args(e.Event if kinds is e.EVENTS else f.Effect)
    assert [cls.name for cls in union] == list(kinds)


@pytest.mark.parametrize(
    ("changes", "record"),
    [
        (step.LegChanges, state.LegState),
        (step.FloorChanges, state.FloorState),
        (step.PlaybackChanges, state.PlaybackState),
        (step.AmdChanges, state.AmdState),
        (step.DtmfChanges, state.DtmfState),
        (step.StatsChanges, state.TurnStats),
    ],
)
def test_the_typed_changes_are_the_fields_of_their_record(changes: type, record: type) -> None:
    assert is_dataclass(record)
    assert get_type_hints(changes) == {field.name: get_type_hints(record)[field.name] for field in fields(record)}


def test_a_call_that_is_being_hung_up_promises_nothing() -> None:
    """What the table of the ending overrides: API requests are refused, speech and transcripts are ignored."""
    story = inbound("Hello there").fold(e.EndRequested(request="end"))
    before = story.live
    for event in (e.Heard(text="hello"), e.SpeechStarted(), e.SttLost(), e.SttFailed(reason="")):
        assert story.fold(event).asked == ()
    assert story.live.ignored == before.ignored + 4
    story.fold(e.SpeakRequested(request="r", text="Wait"))
    (refused,) = story.asked
    assert isinstance(refused, f.Resolve)
    assert (refused.ok, refused.text) == (False, "Call has ended")


def test_the_documentation_shows_the_tables() -> None:
    """`make draw` has been run since a table changed."""
    spec = importlib.util.spec_from_file_location("draw", DOCS / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    page = (DOCS / "state-machines.md").read_text()
    drawn = page.partition("<!-- drawn: tables -->\n")[2].partition("\n<!-- end: tables -->")[0]
    assert drawn == draw.tables()
