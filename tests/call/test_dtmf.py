"""Digits that an API client requests, at a carrier that replaces the media of the leg to send them."""

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
    story = Story().fold(arrived("Hello", policy))
    if policy.streaming:
        return story.fold(stream_opened(), e.PlaybackBegan(utterance=1))
    return story.fold(e.Answered(leg=LEG), e.PlaybackBegan(utterance=1))


def heard_whole(utterance: int) -> e.PlaybackDone:
    return e.PlaybackDone(utterance=utterance, heard_ms=500, total_ms=500, complete=True)


def pressed(story: Story) -> list[str]:
    return [press.digits for press in story.everything if isinstance(press, f.SendDigits)]


def said(story: Story) -> list[str]:
    return [speak.text for speak in story.everything if isinstance(speak, f.Speak)]


def answers(story: Story) -> list[tuple[RequestId, bool]]:
    return [(answer.request, answer.ok) for answer in story.live.results]


def done(story: Story) -> e.CommandDone:
    """The carrier reports that it has sent the newest digits."""
    return e.CommandDone(effect=story.effects(f.SendDigits)[-1].id, leg=LEG)


@pytest.mark.parametrize("policy", [_REPLACE, _NATIVE])
def test_digits_wait_until_no_speech_would_be_cut(policy: e.CallPolicy) -> None:
    """A sentence that has begun is played to its end first."""
    story = talking(policy).fold(e.DigitsRequested(request=R1, digits="12#"))
    assert pressed(story) == []
    story.fold(heard_whole(1))
    assert pressed(story) == ["12#"]


def test_digits_wait_for_the_caller_to_finish() -> None:
    """Speech between two sockets would be lost."""
    story = talking().fold(heard_whole(1), e.SpeechStarted(), e.DigitsRequested(request=R1, digits="1"))
    assert pressed(story) == []
    story.fold(e.Heard(text="one moment"))
    assert pressed(story) == ["1"]


def test_other_carriers_send_digits_at_once() -> None:
    story = talking(e.CallPolicy()).fold(e.DigitsRequested(request=R1, digits="12#"))
    assert pressed(story) == ["12#"]
    story.fold(e.SpeakRequested(request=R2, text="Hold the line"))
    assert said(story)[-1] == "Hold the line"


def test_speech_requested_meanwhile_waits_for_the_new_stream() -> None:
    """The old socket may stay open for a moment: nothing is sent to it, and nothing is said twice."""
    story = talking().fold(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.fold(e.SpeakRequested(request=R2, text="Hold the line"), e.StreamClosed(stream=STREAM))
    assert said(story) == ["Hello"]
    story.fold(done(story))
    assert (said(story), answers(story)) == (["Hello"], [(R1, True)])
    story.fold(stream_opened(StreamId("MZ2")))
    assert said(story) == ["Hello", "Hold the line"]
    assert story.live.ignored == 0


def test_without_a_stream_speech_goes_on_when_the_carrier_reports() -> None:
    story = talking(_NATIVE).fold(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.fold(e.SpeakRequested(request=R2, text="Hold the line"))
    assert said(story) == ["Hello"]
    story.fold(done(story))
    assert said(story) == ["Hello", "Hold the line"]


def test_digits_are_sent_one_request_after_the_other() -> None:
    story = talking().fold(
        heard_whole(1), e.DigitsRequested(request=R1, digits="1"), e.DigitsRequested(request=R2, digits="2")
    )
    assert pressed(story) == ["1"]
    story.fold(e.StreamClosed(stream=STREAM), done(story))
    assert pressed(story) == ["1"]
    story.fold(stream_opened(StreamId("MZ2")))
    assert pressed(story) == ["1", "2"]


def test_the_reconnect_timer_waits_while_digits_are_sent() -> None:
    """Sixty pauses take half a minute, and must not end the call."""
    story = talking().fold(
        heard_whole(1), e.DigitsRequested(request=R1, digits="w" * 60), e.StreamClosed(stream=STREAM)
    )
    story.fold(e.TimerFired(timer=e.Timer.RECONNECT), after=30)
    assert not story.effects(f.HangUp)
    assert story.live.timers[e.Timer.RECONNECT] > story.now


def test_speech_goes_on_after_digits_failed() -> None:
    story = talking().fold(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.fold(e.SpeakRequested(request=R2, text="Hold the line"))
    press = story.effects(f.SendDigits)[-1]
    story.fold(e.CommandFailed(effect=press.id, reason="busy", retryable=False))
    assert (said(story)[-1], answers(story)) == ("Hold the line", [(R1, False)])


def test_speech_goes_on_when_the_carrier_never_reports() -> None:
    """Its report may be lost; the call must not stay silent."""
    story = talking(_NATIVE).fold(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.fold(e.SpeakRequested(request=R2, text="Hold the line"), e.TimerFired(timer=e.Timer.DIGITS), after=20)
    assert (said(story)[-1], answers(story), pressed(story)) == ("Hold the line", [(R1, False)], ["1"])


def test_digits_that_found_no_silence_are_refused() -> None:
    """The API client has timed out by then, and late digits would reach another menu."""
    story = talking().fold(e.DigitsRequested(request=R1, digits="1"), e.TimerFired(timer=e.Timer.DIGITS), after=26)
    story.fold(heard_whole(1))
    assert (pressed(story), answers(story)) == ([], [(R1, False)])


def test_queued_digits_are_refused_when_the_call_ends() -> None:
    story = talking().fold(e.DigitsRequested(request=R1, digits="1"), e.HungUp(leg=LEG))
    assert (pressed(story), answers(story)) == ([], [(R1, False)])


def test_no_digits_are_sent_during_a_hang_up() -> None:
    story = talking().fold(e.DigitsRequested(request=R1, digits="1"), e.EndRequested(request=R2), heard_whole(1))
    story.fold(e.DigitsRequested(request=RequestId("r3"), digits="2"))
    assert pressed(story) == []


def test_another_leg_cannot_report_digits_as_sent() -> None:
    story = talking().fold(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.fold(e.CommandDone(effect=story.effects(f.SendDigits)[-1].id, leg=LegId("other")))
    assert (story.live.is_sending_digits, answers(story)) == (True, [])


def test_a_new_owner_speaks_what_waited_for_digits_of_unknown_outcome() -> None:
    """The digits are never sent again; the text was never said."""
    story = talking(_NATIVE).fold(heard_whole(1), e.DigitsRequested(request=R1, digits="1"))
    story.fold(e.SpeakRequested(request=R2, text="Hold the line"), e.Reactivated(epoch=Epoch(2)))
    assert (said(story)[-1], pressed(story), answers(story)) == ("Hold the line", ["1"], [(R1, False)])


def test_with_a_media_socket_keys_are_taken_from_it_alone() -> None:
    """Telnyx reports each key on the socket and by webhook; webhooks overtake each other."""
    story = talking(e.CallPolicy()).fold(e.DtmfReceived(digits="4"), e.DtmfReceived(digits="4", leg=LEG))
    assert story.live.digits == "4"
    native = talking(e.CallPolicy(streaming=False)).fold(e.DtmfReceived(digits="4", leg=LEG))
    assert native.live.digits == "4"
