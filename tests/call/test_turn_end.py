"""When a caller's turn is over: silence, keys, pauses of their own; and what is said to one who says nothing."""

from itertools import pairwise

import pytest

from tests.call.story import INGRESS, LEG, STREAM, Story, arrived, placed
from voicecall import wire
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import RequestId
from voicecall.call.phrases import ENGLISH
from voicecall.call.policy import CallPolicy, Endpointing, TurnPolicy
from voicecall.call.state import Party

R1, R2 = RequestId("r1"), RequestId("r2")
OPENED = e.StreamOpened(stream=STREAM, ingress=INGRESS, leg=LEG, pauses=True)
TURN, SILENCE = e.TimerFired(timer=e.Timer.TURN), e.TimerFired(timer=e.Timer.SILENCE)
TYPED, FILLER = e.TimerFired(timer=e.Timer.TYPED), e.TimerFired(timer=e.Timer.FILLER)


def connected(policy: TurnPolicy | None = None, greeting: str = "") -> Story:
    return Story().fold(arrived(greeting, CallPolicy(turns=policy or TurnPolicy())), OPENED)


def questions(story: Story) -> list[int]:
    return [effect.turn for effect in story.everything if isinstance(effect, f.AskAgent)]


def callers_lines(story: Story) -> list[str]:
    return [line.text for line in story.live.transcript if line.speaker is Party.USER]


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.everything if isinstance(effect, f.Speak)]


def answers(story: Story) -> list[tuple[bool, str]]:
    return [(effect.ok, effect.text) for effect in story.everything if isinstance(effect, f.Resolve)]


def played(no: int) -> tuple[e.Event, ...]:
    return e.PlaybackBegan(utterance=no), e.PlaybackDone(utterance=no, heard_ms=900, total_ms=900, complete=True)


# --- the end of a turn --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent_ms", [None, 300, 800])
def test_a_recogniser_that_has_waited_costs_nothing_more(silent_ms: int | None) -> None:
    """The silence counts from the end of the sound, not from the transcript."""
    story = connected().fold(e.SpeechStarted(), e.Heard(text="what time is it", silent_ms=silent_ms))
    assert questions(story) == [1]


def test_an_early_transcript_waits_for_the_rest_of_the_silence() -> None:
    story = connected().fold(e.SpeechStarted(), e.Heard(text="what time is it", silent_ms=100))
    assert questions(story) == []
    assert story.live.timers[e.Timer.TURN] == pytest.approx(story.now + 0.2)
    story.fold(TURN, after=0.2)
    assert questions(story) == [1]
    assert callers_lines(story) == ["what time is it"]


def test_two_transcripts_within_the_delay_are_one_question() -> None:
    """The caller paused for breath."""
    story = connected().fold(e.SpeechStarted(), e.Heard(text="I would like", silent_ms=100))
    story.fold(e.SpeechStarted())
    assert e.Timer.TURN not in story.live.timers
    story.fold(e.SpeechStopped(), e.Heard(text="a table for two", silent_ms=400), after=1.0)
    assert questions(story) == [1]
    assert callers_lines(story) == ["I would like a table for two"]
    assert story.live.turn == 1


def test_a_transcript_that_comes_while_the_caller_speaks_again_waits_for_the_next() -> None:
    story = connected().fold(e.SpeechStarted(), e.SpeechStarted(), e.Heard(text="I would like", silent_ms=0))
    assert (questions(story), story.live.caller_is_speaking) == ([], True)
    story.fold(e.SpeechStopped(), e.Heard(text="a table", silent_ms=900))
    assert (questions(story), callers_lines(story)) == ([1], ["I would like a table"])


def test_two_transcripts_within_the_delay_are_one_answer_to_a_continue() -> None:
    story = connected().fold(e.ContinueRequested(request=R1, text="Your number?"), *played(1), e.SpeechStarted())
    story.fold(e.Heard(text="five five five", silent_ms=50), e.SpeechStarted(), e.SpeechStopped())
    story.fold(e.Heard(text="one two", silent_ms=300))
    assert (answers(story), questions(story)) == ([(True, "five five five one two")], [])
    assert callers_lines(story) == ["five five five one two"]


def test_a_sound_without_words_ends_the_wait() -> None:
    story = connected().fold(e.SpeechStarted(), e.Heard(text="hello", silent_ms=100), e.SpeechStarted())
    story.fold(e.SpeechStopped(silent_ms=200))
    assert story.live.timers[e.Timer.TURN] == pytest.approx(story.now + 2.5)
    story.fold(e.Heard(text="", silent_ms=400))
    assert questions(story) == [1]


def test_words_are_waited_for_no_longer_than_the_longest_pause() -> None:
    """The transcript of the second sound is lost."""
    story = connected().fold(e.SpeechStarted(), e.Heard(text="hello", silent_ms=100), e.SpeechStarted())
    story.fold(e.SpeechStopped(silent_ms=200)).fold(TURN, after=2.5)
    assert questions(story) == [1]


def test_a_continue_that_comes_meanwhile_is_not_answered_by_what_was_said_before() -> None:
    story = connected().fold(e.SpeechStarted(), e.Heard(text="by the way", silent_ms=100))
    story.fold(e.ContinueRequested(request=R1, text="Your name?")).fold(TURN, after=0.3)
    assert (answers(story), questions(story), callers_lines(story)) == ([], [], ["by the way"])


def test_a_turn_that_is_not_over_is_in_the_snapshot_and_ends_with_the_next_owner() -> None:
    story = connected().fold(e.SpeechStarted(), e.Heard(text="what time is it", silent_ms=100))
    story.call = wire.unpack_call(wire.pack_call(story.live))
    story.fold(e.Reactivated(epoch=2, cause=e.Takeover.DIED)).fold(TURN, after=0.3)
    assert questions(story) == [1]


def test_a_hang_up_in_between_keeps_the_words() -> None:
    story = connected().fold(e.SpeechStarted(), e.Heard(text="goodbye", silent_ms=100), e.HungUp(leg=LEG))
    assert (callers_lines(story), story.live.timers) == (["goodbye"], {})


def test_the_delay_is_learnt_from_the_callers_own_pauses() -> None:
    """A moving average with nine tenths of the past, from the least delay on, and never above the longest."""
    policy = TurnPolicy(endpointing=Endpointing.DYNAMIC, min_delay_s=0.3, max_delay_s=1.0)
    story = connected(policy).fold(e.SpeechStarted(), e.SpeechStopped(silent_ms=0))
    for _ in range(3):
        story.fold(e.Heard(text="and", silent_ms=1), after=0.001).fold(e.SpeechStarted(), after=0.799)
        story.fold(e.SpeechStopped(silent_ms=0), after=1.0)
    average = 0.3
    for _ in range(3):
        average = 0.9 * average + 0.1 * 0.8
    assert story.live.floor.pause_s == pytest.approx(average, abs=0.01)
    story.fold(e.Heard(text="so", silent_ms=1), after=0.001)
    assert story.live.timers[e.Timer.TURN] == pytest.approx(story.now + average, abs=0.01)


def test_a_pause_between_two_turns_teaches_nothing() -> None:
    policy = TurnPolicy(endpointing=Endpointing.DYNAMIC)
    story = connected(policy).fold(e.SpeechStarted(), e.Heard(text="hello", silent_ms=900))
    story.fold(e.AgentSaid(turn=1, text="Yes?"), e.AgentDone(turn=1), *played(1)).fold(e.SpeechStarted(), after=2.0)
    assert story.live.floor.pause_s is None


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a17_keys_answer_a_continue() -> None:
    """At the "#", and not before."""
    story = connected().fold(e.ContinueRequested(request=R1, text="Key in your PIN."), *played(1))
    for digit in "1234":
        story.fold(e.DtmfReceived(digits=digit))
    assert answers(story) == []
    story.fold(e.DtmfReceived(digits="#"))
    assert answers(story) == [(True, "the caller pressed 1234#")]
    assert (story.live.digits, questions(story)) == ("1234#", [])


def test_a17_without_a_hash_the_keys_are_complete_when_none_follows() -> None:
    story = connected().fold(e.ContinueRequested(request=R1, text="Key in your PIN."), *played(1))
    story.fold(e.DtmfReceived(digits="1"), e.DtmfReceived(digits="2"))
    assert story.live.timers[e.Timer.TYPED] == pytest.approx(story.now + 2.0)
    story.fold(TYPED, after=2.0)
    assert answers(story) == [(True, "the caller pressed 12")]


def test_a17_the_agent_hears_of_keys() -> None:
    """As words of the caller; what was being said is cut."""
    story = connected().fold(e.Heard(text="hello"), e.AgentSaid(turn=1, text="Press one for the workshop."))
    story.fold(e.PlaybackBegan(utterance=1), e.DtmfReceived(digits="1")).fold(TYPED, after=2.0)
    assert [effect.name for effect in story.asked] == ["StopSpeaking", "DropAgent", "AskAgent"]
    assert (callers_lines(story)[-1], story.live.turn) == ("the caller pressed 1", 2)


def test_a17_keys_that_a_carrier_collects_itself_answer_too() -> None:
    """Where the carrier speaks and listens, its webhook brings them."""
    story = Story().fold(arrived("", CallPolicy(streaming=False)), e.Answered(leg=LEG))
    story.fold(e.ContinueRequested(request=R1, text="Your PIN?"), *played(1), e.DtmfReceived(digits="12", leg=LEG))
    story.fold(TYPED, after=2.0)
    assert answers(story) == [(True, "the caller pressed 12")]


def test_keys_pressed_before_the_question_do_not_answer_it() -> None:
    story = connected().fold(e.DtmfReceived(digits="9"), e.ContinueRequested(request=R1, text="Your PIN?"), *played(1))
    story.fold(TYPED, after=2.0)
    assert (answers(story), callers_lines(story)) == ([], ["the caller pressed 9"])


def test_keys_during_a_greeting_that_is_not_interrupted_wait_for_its_end() -> None:
    story = Story().fold(placed(), e.Dialled(leg=LEG), OPENED, e.PlaybackBegan(utterance=1))
    story.fold(e.DtmfReceived(digits="1#"))
    assert story.effects(f.StopSpeaking) == []
    story.fold(*played(1)).fold(TYPED, after=2.0)
    assert (questions(story), callers_lines(story)) == ([1], ["the caller pressed 1#"])


def test_a_notice_takes_no_keys() -> None:
    """They are kept in the record only."""
    story = Story().fold(placed(e.Mode.NOTIFY), e.Dialled(leg=LEG), OPENED, e.DtmfReceived(digits="1#"))
    assert (story.live.digits, callers_lines(story), e.Timer.TYPED in story.live.timers) == ("1#", [], False)


# --- a caller who says nothing ------------------------------------------------------------------------------------

PROMPTS = TurnPolicy(silence_s=12.0)


def test_a_silent_caller_is_asked_once_and_then_hung_up_on() -> None:
    story = connected(PROMPTS, "Hello!").fold(*played(1))
    assert story.live.timers[e.Timer.SILENCE] == pytest.approx(story.now + 12.0)
    story.fold(SILENCE, after=12.0)
    assert spoken(story)[-1] == ENGLISH.still_there
    assert e.Timer.SILENCE not in story.live.timers
    story.fold(*played(2)).fold(SILENCE, after=12.0)
    assert spoken(story)[-1] == ENGLISH.silence_goodbye
    assert story.effects(f.HangUp) == []
    story.fold(*played(3))
    assert (len(story.effects(f.HangUp)), story.live.detail) == (1, "the caller said nothing")


def test_a_caller_who_answers_the_prompt_is_asked_again_later() -> None:
    story = connected(PROMPTS, "Hello!").fold(*played(1)).fold(SILENCE, after=12.0).fold(*played(2))
    story.fold(e.SpeechStarted(), e.Heard(text="yes, one moment", silent_ms=900), e.AgentSaid(turn=1, text="Sure."))
    story.fold(e.AgentDone(turn=1), *played(3)).fold(SILENCE, after=12.0)
    assert spoken(story)[-1] == ENGLISH.still_there
    assert story.live.playback.hangup_after is None


@pytest.mark.parametrize(
    "events",
    [
        (e.Heard(text="hello"),),
        (e.SpeechStarted(),),
        (e.ContinueRequested(request=R1, text="Name?"), *played(2)),
        (e.ContinueRequested(request=R1, text="Name?"), *played(2), e.Heard(text="Ada")),
        (e.SpeakRequested(request=R1, text="News."),),
        (e.DtmfReceived(digits="1"),),
        (e.Heard(text="hello", silent_ms=10),),
        (e.StreamClosed(stream=STREAM),),
        (e.EndRequested(request=R1),),
    ],
    ids=["agent", "speech", "continue", "client", "speaking", "keys", "held", "no-stream", "ending"],
)
def test_the_time_runs_only_while_it_is_the_callers_turn(events: tuple[e.Event, ...]) -> None:
    """Never while the agent works, a question waits, anyone speaks, or an API client has the answer."""
    story = connected(PROMPTS, "Hello!").fold(*played(1))
    assert e.Timer.SILENCE in story.live.timers
    story.fold(*events)
    assert e.Timer.SILENCE not in story.live.timers


def test_neither_a_notice_nor_a_call_of_an_earlier_build_is_asked() -> None:
    notice = Story().fold(placed(e.Mode.NOTIFY, policy=CallPolicy(turns=PROMPTS)), e.Dialled(leg=LEG), OPENED)
    assert e.Timer.SILENCE not in notice.fold(*played(1)).live.timers
    earlier = Story().fold(arrived("Hello!"), OPENED, *played(1))
    assert e.Timer.SILENCE not in earlier.live.timers


# --- fillers ------------------------------------------------------------------------------------------------------


def test_no_filler_follows_itself() -> None:
    story = connected()
    for turn in range(1, 5):
        story.fold(e.Heard(text="hello")).fold(FILLER, after=4.1)
        story.fold(
            e.AgentSaid(turn=turn, text="Well."), e.AgentDone(turn=turn), *played(2 * turn - 1), *played(2 * turn)
        )
    fillers = [text for text in spoken(story) if text != "Well."]
    assert len(fillers) == 4
    assert all(one != next_one for one, next_one in pairwise(fillers))
    assert set(fillers) == set(ENGLISH.fillers)


def test_no_filler_is_said_over_an_answer_or_the_caller() -> None:
    """After a fail-over the beginning of the reply is still being said when the filler is due."""
    story = connected().fold(e.Heard(text="hello"), e.SpeakRequested(request=R1, text="A long announcement."))
    story.fold(FILLER, after=4.1)
    assert spoken(story) == ["A long announcement."]
    assert e.Timer.FILLER in story.live.timers
    story.fold(*played(1), e.SpeechStarted()).fold(FILLER, after=4.1)
    assert spoken(story) == ["A long announcement."]
