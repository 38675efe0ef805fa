"""Taking up a call whose owner is gone: each pending effect has one rule (the table of `recovery`)."""

from tests.call.story import CALL, LEG, Story, inbound, outbound, placed
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call import phrases
from voicecall.call.ids import EffectId, Epoch, RequestId

TAKEN_OVER = e.Reactivated(epoch=Epoch(2))


def test_a_dial_in_flight_is_asked_about() -> None:
    """A restart once called ten people who had been called already (P20)."""
    story = Story().tell(placed(), TAKEN_OVER)
    assert [type(x) for x in story.asked] == [f.FindLeg]


def test_a_hangup_in_flight_is_sent_again() -> None:
    story = outbound().tell(e.EndRequested(request=RequestId("r")), TAKEN_OVER)
    assert [type(x) for x in story.asked] == [f.HangUp]


def test_keys_in_flight_are_not_pressed_again() -> None:
    story = inbound().tell(e.DigitsRequested(request=RequestId("r"), digits="1"), TAKEN_OVER)
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert not answer.ok


def test_a_question_in_flight_is_put_to_the_agent_again() -> None:
    story = inbound().tell(e.Heard(text="hm"), TAKEN_OVER)
    (ask,) = story.asked
    assert isinstance(ask, f.AskAgent)
    assert (ask.turn, ask.said) == (1, ())


def test_a_reply_in_flight_goes_on_after_what_was_said() -> None:
    story = inbound().tell(e.Heard(text="hm"), e.AgentSaid(turn=1, text="First."), e.PlaybackBegan(utterance=1))
    story.tell(TAKEN_OVER)
    (ask,) = story.effects(f.AskAgent)[1:]
    assert ask.said == ("First.", phrases.CUT_OFF, "First.")
    assert [x.text for x in story.asked if isinstance(x, f.Speak)] == [phrases.CUT_OFF, "First."]


def test_an_utterance_nobody_heard_yet_is_said_again_without_a_word_about_it() -> None:
    story = inbound().tell(e.SpeakRequested(request=RequestId("r"), text="News!"), TAKEN_OVER)
    assert [x.text for x in story.asked if isinstance(x, f.Speak)] == ["News!"]
    assert [line.text for line in story.live.transcript] == ["News!"]
    story.tell(e.PlaybackDone(utterance=2, heard_ms=9, total_ms=9, complete=True))
    assert [x.ok for x in story.asked if isinstance(x, f.Resolve)] == [True]


def test_the_door_may_still_tell_how_much_of_the_old_utterance_was_heard() -> None:
    story = inbound().tell(e.SpeakRequested(request=RequestId("r"), text="Good news!"), e.PlaybackBegan(utterance=1))
    story.tell(TAKEN_OVER, e.PlaybackDone(utterance=1, heard_ms=400, total_ms=1000, complete=False))
    assert story.live.transcript[0].text == "Good"


def test_a_caller_whose_words_fell_into_the_gap_is_asked_to_repeat_them() -> None:
    """A worker that froze heard them, and nobody answered: nine seconds of silence once."""
    story = inbound().tell(TAKEN_OVER).tell(e.TimerFired(timer=e.Timer.UNHEARD), after=6.1)
    assert [x.text for x in story.asked if isinstance(x, f.Speak)] == [phrases.NOT_CAUGHT]


def test_a_caller_who_speaks_after_the_gap_is_simply_heard() -> None:
    story = inbound().tell(TAKEN_OVER, e.Heard(text="hello"))
    assert e.Timer.UNHEARD not in story.live.timers
    assert not story.live.floor.interrupted


def test_a_settled_call_asks_for_nothing() -> None:
    story = inbound().tell(TAKEN_OVER)
    assert story.asked == ()
    assert story.live.reactivations == 1
    assert story.live.leg == LEG


def test_the_effects_of_the_new_owner_have_new_ids() -> None:
    story = Story().tell(placed(), TAKEN_OVER)
    assert story.asked[0].id == EffectId(f"{CALL}.2")
