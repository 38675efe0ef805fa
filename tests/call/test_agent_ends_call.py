"""An agent that says goodbye and ends the call: its last words are heard to their end, then the call is hung up."""

import pytest

from tests.call.story import LEG, Story, inbound
from tests.call.test_floor import played, spoken
from tests.call.test_native import outbound as native
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.wire import pack_event, unpack_event


def farewell() -> Story:
    """The farewell is playing, and the agent has ended the call."""
    story = inbound().fold(e.Heard(text="that is all"))
    story.fold(e.AgentSaid(turn=1, text="Thank you for calling."), e.AgentSaid(turn=1, text="Goodbye!"))
    return story.fold(e.PlaybackBegan(utterance=1), e.AgentDone(turn=1, ends_call=True))


def test_the_call_is_hung_up_when_the_farewell_was_heard() -> None:
    story = farewell()
    assert not story.effects(f.HangUp)
    story.fold(*played(1))
    assert not story.effects(f.HangUp)
    story.fold(*played(2))
    assert len(story.effects(f.HangUp)) == 1
    assert story.live.ending is e.EndReason.HANGUP_BOT


def test_it_is_hung_up_at_once_when_everything_was_heard_before() -> None:
    story = inbound().fold(e.Heard(text="that is all"), e.AgentSaid(turn=1, text="Goodbye!"), *played(1))
    assert not story.effects(f.HangUp)
    assert story.fold(e.AgentDone(turn=1, ends_call=True)).effects(f.HangUp)


def test_an_agent_may_end_the_call_without_a_word() -> None:
    story = inbound().fold(e.Heard(text="that is all"), e.AgentDone(turn=1, ends_call=True))
    assert spoken(story) == []
    assert story.effects(f.HangUp)


def test_the_farewell_is_not_interrupted() -> None:
    """As every last utterance: it was decided that the call ends."""
    story = farewell().fold(e.SpeechStarted(), e.SpeechStopped(), e.Heard(text="bye"))
    assert not [x for x in story.asked if isinstance(x, f.StopSpeaking | f.AskAgent)]
    assert story.fold(*played(1), *played(2)).effects(f.HangUp)


def test_an_end_that_the_caller_interrupted_before_is_none() -> None:
    """The reply was cancelled; what is reported of it afterwards is stale."""
    story = inbound().fold(e.Heard(text="that is all"), e.AgentSaid(turn=1, text="Goodbye!"))
    story.fold(e.PlaybackBegan(utterance=1), e.SpeechStarted(), e.Heard(text="wait, one more thing"))
    story.fold(e.AgentDone(turn=1, ends_call=True))
    assert not story.effects(f.HangUp)
    assert story.live.playback.hangup_after is None


def test_the_carrier_s_own_voice_says_it_and_hangs_up() -> None:
    story = native().fold(e.Answered(leg=LEG), *played(1)).fold(e.Heard(text="that is all"))
    story.fold(e.AgentSaid(turn=1, text="Goodbye!"), e.AgentDone(turn=1, ends_call=True))
    speak = story.effects(f.Speak)[-1]
    assert isinstance(speak, f.Speak)
    assert (speak.text, speak.listens) == ("Goodbye!", False)
    assert story.fold(*played(speak.utterance)).effects(f.HangUp)


@pytest.mark.parametrize("event", [e.AgentDone(turn=1), e.AgentDone(turn=1, ends_call=True)])
def test_it_is_recorded(event: e.AgentDone) -> None:
    assert unpack_event(pack_event(event)) == event
