"""Keys that a local caller wants pressed, at a carrier that drops what the leg is doing to press them."""

import pytest

from tests.call.story import LEG, STREAM, Story, arrived, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import Epoch, LegId, RequestId, StreamId

R1, R2 = RequestId("r1"), RequestId("r2")
_REPLACE = e.CallPolicy(digits_replace_media=True)
_NATIVE = e.CallPolicy(digits_replace_media=True, streaming=False)


def talking(policy: e.CallPolicy = _REPLACE) -> Story:
    """The greeting is being said."""
    story = Story().tell(arrived("Hello", policy))
    if policy.streaming:
        return story.tell(stream_opened(), e.PlaybackBegan(utterance=1))
    return story.tell(e.Answered(leg=LEG), e.PlaybackBegan(utterance=1))


def heard_whole(utterance: int) -> e.PlaybackDone:
    return e.PlaybackDone(utterance=utterance, heard_ms=500, total_ms=500, complete=True)


def pressed(story: Story) -> list[str]:
    return [press.digits for press in story.everything if isinstance(press, f.SendDigits)]


def said(story: Story) -> list[str]:
    return [speak.text for speak in story.everything if isinstance(speak, f.Speak)]


def answers(story: Story) -> list[tuple[RequestId, bool]]:
    return [(answer.request, answer.ok) for answer in story.live.results]


def done(story: Story) -> e.CommandDone:
    """The carrier is back from pressing the newest keys."""
    return e.CommandDone(effect=story.effects(f.SendDigits)[-1].id, leg=LEG)


@pytest.mark.parametrize("policy", [_REPLACE, _NATIVE])
def test_keys_wait_until_nothing_would_be_cut(policy: e.CallPolicy) -> None:
    """A sentence that was begun is heard to its end first."""
    story = talking(policy).tell(e.DigitsRequested(request=R1, digits="12#"))
    assert pressed(story) == []
    story.tell(heard_whole(1))
    assert pressed(story) == ["12#"]


def test_keys_wait_for_the_caller_to_finish() -> None:
    """Words that fall into the gap between two sockets would be lost."""
    story = talking().tell(heard_whole(1), e.SpeechStarted(), e.DigitsRequested(request=R1, digits="1"))
    assert pressed(story) == []
    story.tell(e.Heard(text="one moment"))
    assert pressed(story) == ["1"]


def test_at_other_carriers_keys_go_out_at_once() -> None:
    story = talking(e.CallPolicy()).tell(e.DigitsRequested(request=R1, digits="12#"))
    assert pressed(story) == ["12#"]
    story.tell(e.SpeakRequested(request=R2, text="Hold the line"))
    assert said(story)[-1] == "Hold the line"


def test_what_is_to_be_said_meanwhile_waits_for_the_new_stream() -> None:
    """The old socket may still stand for a moment: nothing goes into it, and nothing is said twice."""
    story = talking().tell(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.tell(e.SpeakRequested(request=R2, text="Hold the line"), e.StreamClosed(stream=STREAM))
    assert said(story) == ["Hello"]
    story.tell(done(story))
    assert (said(story), answers(story)) == (["Hello"], [(R1, True)])
    story.tell(stream_opened(StreamId("MZ2")))
    assert said(story) == ["Hello", "Hold the line"]
    assert story.live.ignored == 0


def test_without_a_stream_the_voice_is_back_when_the_carrier_is() -> None:
    story = talking(_NATIVE).tell(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.tell(e.SpeakRequested(request=R2, text="Hold the line"))
    assert said(story) == ["Hello"]
    story.tell(done(story))
    assert said(story) == ["Hello", "Hold the line"]


def test_keys_are_pressed_one_after_the_other() -> None:
    story = talking().tell(
        heard_whole(1), e.DigitsRequested(request=R1, digits="1"), e.DigitsRequested(request=R2, digits="2")
    )
    assert pressed(story) == ["1"]
    story.tell(e.StreamClosed(stream=STREAM), done(story))
    assert pressed(story) == ["1"]
    story.tell(stream_opened(StreamId("MZ2")))
    assert pressed(story) == ["1", "2"]


def test_a_stream_is_not_missed_while_keys_are_pressed() -> None:
    """Sixty pauses take half a minute, and nobody may hang up over it."""
    story = talking().tell(
        heard_whole(1), e.DigitsRequested(request=R1, digits="w" * 60), e.StreamClosed(stream=STREAM)
    )
    story.tell(e.TimerFired(timer=e.Timer.RECONNECT), after=30)
    assert not story.effects(f.HangUp)
    assert story.live.timers[e.Timer.RECONNECT] > story.now


def test_a_failed_press_gives_the_voice_back() -> None:
    story = talking().tell(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.tell(e.SpeakRequested(request=R2, text="Hold the line"))
    press = story.effects(f.SendDigits)[-1]
    story.tell(e.CommandFailed(effect=press.id, reason="busy", retryable=False))
    assert (said(story)[-1], answers(story)) == ("Hold the line", [(R1, False)])


def test_a_carrier_that_never_comes_back_is_not_waited_for() -> None:
    """Its report may be lost; the call must not stay dumb."""
    story = talking(_NATIVE).tell(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.tell(e.SpeakRequested(request=R2, text="Hold the line"), e.TimerFired(timer=e.Timer.DIGITS), after=20)
    assert (said(story)[-1], answers(story), pressed(story)) == ("Hold the line", [(R1, False)], ["1"])


def test_keys_that_found_no_quiet_moment_are_given_up_and_told() -> None:
    """Whoever asked has gone by then: keys a minute late are other keys."""
    story = talking().tell(e.DigitsRequested(request=R1, digits="1"), e.TimerFired(timer=e.Timer.DIGITS), after=26)
    story.tell(heard_whole(1))
    assert (pressed(story), answers(story)) == ([], [(R1, False)])


def test_keys_that_wait_are_told_of_the_end() -> None:
    story = talking().tell(e.DigitsRequested(request=R1, digits="1"), e.HungUp(leg=LEG))
    assert (pressed(story), answers(story)) == ([], [(R1, False)])


def test_no_key_is_pressed_while_we_hang_up() -> None:
    story = talking().tell(e.DigitsRequested(request=R1, digits="1"), e.EndRequested(request=R2), heard_whole(1))
    story.tell(e.DigitsRequested(request=RequestId("r3"), digits="2"))
    assert pressed(story) == []


def test_another_leg_cannot_say_that_the_keys_were_pressed() -> None:
    story = talking().tell(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.tell(e.CommandDone(effect=story.effects(f.SendDigits)[-1].id, leg=LegId("other")))
    assert (story.live.is_sending_digits, answers(story)) == (True, [])


def test_a_new_owner_says_what_waited_for_keys_of_unknown_fate() -> None:
    """The keys are never pressed again; the words were never said."""
    story = talking(_NATIVE).tell(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.tell(e.SpeakRequested(request=R2, text="Hold the line"), e.Reactivated(epoch=Epoch(2)))
    assert (said(story)[-1], pressed(story), answers(story)) == ("Hold the line", ["1"], [(R1, False)])
