"""What a turn model's judgement of a pause does to the end of the turn. The judgement is a fact in the log."""

import pytest

from tests.call.story import INGRESS, LEG, STREAM, Story, arrived
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import RequestId
from voicecall.call.policy import CallPolicy, Endpointing, TurnPolicy

OPENED = e.StreamOpened(stream=STREAM, ingress=INGRESS, leg=LEG, pauses=True)
TURN = e.TimerFired(timer=e.Timer.TURN)
DYNAMIC = TurnPolicy(endpointing=Endpointing.DYNAMIC)


def connected(policy: TurnPolicy | None = None) -> Story:
    return Story().fold(arrived("", CallPolicy(turns=policy or TurnPolicy())), OPENED, e.SpeechStarted())


def questions(story: Story) -> list[int]:
    return [effect.turn for effect in story.everything if isinstance(effect, f.AskAgent)]


def ends_in(story: Story) -> float:
    return story.live.timers[e.Timer.TURN] - story.now


@pytest.mark.parametrize(("silent_ms", "complete"), [(900, 0.9), (300, 0.51)])
def test_a_complete_turn_ends_after_the_shortest_silence(silent_ms: int, complete: float) -> None:
    """At once, where that has passed when the transcript comes."""
    story = connected().fold(e.Heard(text="what time is it", silent_ms=silent_ms, turn_complete=complete))
    assert questions(story) == [1]


def test_a_complete_turn_with_an_early_transcript_waits_for_the_shortest_silence() -> None:
    story = connected().fold(e.Heard(text="what time is it", silent_ms=250, turn_complete=0.9))
    assert ends_in(story) == pytest.approx(0.05)


@pytest.mark.parametrize("complete", [0.0, 0.5])
def test_an_incomplete_turn_waits_for_the_caller_to_go_on(complete: float) -> None:
    """Though the recogniser has ended the utterance. What follows is the same turn."""
    story = connected().fold(e.Heard(text="I would like", silent_ms=900, turn_complete=complete))
    assert (questions(story), ends_in(story)) == ([], pytest.approx(1.6))
    story.fold(e.SpeechStarted(), e.SpeechStopped(), after=0.5)
    story.fold(e.Heard(text="a table", silent_ms=900, turn_complete=0.9))
    assert questions(story) == [1]
    assert story.live.transcript[-1].text == "I would like a table"


def test_an_incomplete_turn_ends_when_the_caller_stays_silent() -> None:
    story = connected().fold(e.Heard(text="I would like", silent_ms=900, turn_complete=0.1)).fold(TURN, after=1.6)
    assert questions(story) == [1]


def test_a_judgement_shortens_a_learnt_delay() -> None:
    """This caller pauses for long within a turn, and has now clearly finished."""
    story = connected(DYNAMIC)
    for _ in range(30):
        story.fold(e.Heard(text="and", silent_ms=1), after=0.001).fold(e.SpeechStarted(), after=1.5)
        story.fold(e.SpeechStopped(silent_ms=0), after=1.0)
    assert story.live.floor.pause_s > 1.0
    story.fold(e.Heard(text="goodbye", silent_ms=400, turn_complete=0.9))
    assert questions(story) == [1]


def test_a_later_judgement_ends_or_prolongs_the_wait() -> None:
    """The model was slower than the recogniser."""
    story = connected().fold(e.Heard(text="I would like", silent_ms=100))
    assert ends_in(story) == pytest.approx(0.2)
    story.fold(e.SpeechStopped(silent_ms=200, turn_complete=0.1))
    assert ends_in(story) == pytest.approx(2.5 - 0.2)
    story.fold(e.SpeechStopped(silent_ms=300, turn_complete=0.9))
    assert questions(story) == [1]


@pytest.mark.parametrize(
    "before",
    [
        (),
        (e.Heard(text="hello", silent_ms=900),),
        (e.Heard(text="hello", silent_ms=100), e.SpeechStarted()),
    ],
    ids=["no words yet", "over", "goes on"],
)
def test_a_later_judgement_changes_nothing_else(before: tuple[e.Event, ...]) -> None:
    """Before the words, when the turn is over, and when the caller speaks again."""
    story = connected().fold(*before)
    asked, held = questions(story), story.live.floor.held
    story.fold(e.SpeechStopped(silent_ms=300, turn_complete=0.9))
    assert (questions(story), story.live.floor.held) == (asked, held)


def test_a_judgement_holds_for_the_answer_to_a_continue() -> None:
    story = connected().fold(e.ContinueRequested(request=RequestId("r1"), text="Your number?"))
    story.fold(e.PlaybackBegan(utterance=1), e.PlaybackDone(utterance=1, heard_ms=9, total_ms=9, complete=True))
    story.fold(e.SpeechStarted(), e.Heard(text="five five", silent_ms=900, turn_complete=0.2))
    assert story.effects(f.Resolve) == []
    story.fold(TURN, after=1.6)
    assert [effect.text for effect in story.effects(f.Resolve)] == ["five five"]


def test_where_the_recogniser_alone_decides_no_judgement_counts() -> None:
    """It does not say how long the caller has been silent: it ends turns by what is said."""
    story = connected().fold(e.Heard(text="I would like", turn_complete=0.1))
    assert questions(story) == [1]


def test_the_limit_is_the_calls_own() -> None:
    story = connected(TurnPolicy(complete_above=0.8)).fold(e.Heard(text="hello", silent_ms=900, turn_complete=0.7))
    assert questions(story) == []
