"""Calls without a stream: the carrier speaks and listens, one prompt at a time."""

from tests.call.story import LEG, STREAM, Story, arrived, placed, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import NO_TURN, Epoch, RequestId
from voicecall.call.phrases import ENGLISH
from voicecall.call.state import Phase

NATIVE = e.CallPolicy(streaming=False)
R1 = RequestId("r1")


def said(no: int = 0) -> e.PlaybackDone:
    return e.PlaybackDone(utterance=no, heard_ms=0, total_ms=None, complete=True)


def spoken(story: Story) -> list[f.Speak]:
    return [effect for effect in story.everything if isinstance(effect, f.Speak)]


def outbound(mode: e.Mode = e.Mode.CONVERSATION) -> Story:
    return Story().fold(placed(mode, "Hello there", NATIVE), e.Dialled(leg=LEG), e.Answered(leg=LEG))


def test_an_answered_call_is_spoken_to_at_once() -> None:
    (speak,) = spoken(outbound())
    assert (speak.text, speak.listens) == ("Hello there", True)


def test_an_answer_reported_twice_says_the_opening_text_once() -> None:
    """The request for instructions and the status callback both report it."""
    story = outbound().fold(e.PlaybackBegan(utterance=1), e.Answered(leg=LEG))
    assert len(spoken(story)) == 1


def test_a_notice_does_not_wait_for_an_answer_and_hangs_up_after_it_was_said() -> None:
    story = outbound(e.Mode.NOTIFY)
    assert [speak.listens for speak in spoken(story)] == [False]
    story.fold(e.PlaybackBegan(utterance=1), said(1), e.TimerFired(timer=e.Timer.NOTIFY_HANGUP), after=3.1)
    assert len(story.effects(f.HangUp)) == 1


def test_a_reply_is_one_prompt_however_many_sentences_it_has() -> None:
    """A second prompt would cut the first."""
    story = outbound().fold(e.PlaybackBegan(utterance=1), said(), e.Heard(text="hm"))
    story.fold(e.AgentSaid(turn=1, text="One."), e.AgentSaid(turn=1, text="Two."))
    assert len(spoken(story)) == 1
    story.fold(e.AgentDone(turn=1))
    assert spoken(story)[-1].text == "One. Two."


def test_a_greeting_in_the_webhook_response_is_not_said_again() -> None:
    story = Story().fold(
        e.Arrived(carrier="mock", leg=LEG, from_="+1", to="+2", greeting="Hi", greeted=True, policy=NATIVE)
    )
    assert spoken(story) == []
    assert [line.text for line in story.live.transcript] == ["Hi"]
    assert story.live.phase is Phase.SPEAKING
    story.fold(said(1), e.Heard(text="hello"))
    assert [ask.turn for ask in story.effects(f.AskAgent) if isinstance(ask, f.AskAgent)] == [1]


def test_the_prompt_of_a_continue_carries_its_token_and_a_stale_callback_does_not_answer_it() -> None:
    story = outbound().fold(e.PlaybackBegan(utterance=1), said(), e.ContinueRequested(request=R1, text="Name?"))
    assert spoken(story)[-1].token == R1
    story.fold(e.PlaybackBegan(utterance=2), said(2), e.Heard(text="old", turn_token="other"))
    assert story.live.pending_continue is not None
    story.fold(e.Heard(text="Ada", turn_token=R1))
    assert [x.text for x in story.asked if isinstance(x, f.Resolve)] == ["Ada"]


def test_speech_from_before_the_question_does_not_answer_it() -> None:
    """Plivo listens all the time and names no turn; its callback may be under way when the question is asked."""
    story = outbound().fold(e.PlaybackBegan(utterance=1), said(1), e.ContinueRequested(request=R1, text="Your PIN?"))
    story.fold(e.Heard(text="hello?", leg=LEG))
    assert story.live.pending_continue is not None
    assert [line.text for line in story.live.transcript][-1] == "hello?"
    assert not any(isinstance(effect, f.StopSpeaking) for effect in story.asked)
    story.fold(e.PlaybackBegan(utterance=2), e.Heard(text="1234", leg=LEG))
    (answer,) = [effect for effect in story.asked if isinstance(effect, f.Resolve)]
    assert (answer.request, answer.text) == (R1, "1234")


def test_speech_without_a_pending_continue_answers_none_however_late_it_comes() -> None:
    """The carrier's callback shows it: its URL was rendered before the question."""
    story = outbound().fold(e.PlaybackBegan(utterance=1), said(1), e.ContinueRequested(request=R1, text="Your PIN?"))
    story.fold(e.PlaybackBegan(utterance=2), e.Heard(text="hello?", turn_token=NO_TURN, leg=LEG))
    assert (story.live.pending_continue is not None, story.live.is_speaking) == (True, True)
    assert [line.text for line in story.live.transcript][-1] == "hello?"
    story.fold(said(2), e.Heard(text="1234", turn_token=R1, leg=LEG))
    assert [x.text for x in story.asked if isinstance(x, f.Resolve)] == ["1234"]
    story.fold(e.Heard(text="and now?", turn_token=NO_TURN, leg=LEG))
    assert len(story.effects(f.AskAgent)) == 1


def test_speech_during_a_pending_continue_carries_its_token_too() -> None:
    """The caller hears the newest prompt, and answers the question before it."""
    story = outbound().fold(e.PlaybackBegan(utterance=1), said(1), e.ContinueRequested(request=R1, text="Your PIN?"))
    story.fold(e.PlaybackBegan(utterance=2), said(2), e.SpeakRequested(request=RequestId("r2"), text="Take your time."))
    assert [speak.token for speak in spoken(story)] == ["", R1, R1]


def test_a_stale_callback_cuts_nothing() -> None:
    """It names another turn, so the question is played to its end."""
    story = outbound().fold(e.PlaybackBegan(utterance=1), said(1), e.ContinueRequested(request=R1, text="Your PIN?"))
    story.fold(e.PlaybackBegan(utterance=2), e.Heard(text="old", turn_token="stale", leg=LEG))
    assert (story.asked, story.live.is_speaking) == ((), True)
    assert all(line.text != "old" for line in story.live.transcript)


def test_a_reply_the_caller_interrupted_is_dropped() -> None:
    story = outbound().fold(e.PlaybackBegan(utterance=1), said(), e.Heard(text="one"))
    story.fold(
        e.AgentSaid(turn=1, text="Old."), e.Heard(text="two"), e.AgentSaid(turn=2, text="New."), e.AgentDone(turn=2)
    )
    assert [speak.text for speak in spoken(story)][1:] == ["New."]


def test_a_prompt_whose_owner_died_is_said_again() -> None:
    story = outbound().fold(e.Reactivated(epoch=Epoch(2)))
    assert [speak.text for speak in spoken(story)] == ["Hello there", "Hello there"]


def test_a_carrier_that_ignores_responses_gets_answer_and_stream_commands() -> None:
    story = Story().fold(
        e.Arrived(carrier="telnyx", leg=LEG, from_="+1", to="+2", policy=e.CallPolicy(by_command=True))
    )
    (answer,) = story.asked
    assert isinstance(answer, f.Answer)
    story.fold(e.CommandDone(effect=answer.id), e.Answered(leg=LEG))
    assert [type(x) for x in story.asked] == [f.OpenStream]
    story.fold(e.StreamClosed(stream=STREAM), stream_opened(), e.StreamClosed(stream=STREAM))
    assert f.OpenStream in [type(x) for x in story.asked]


def test_a_failed_answer_command_ends_the_call_with_the_carriers_message() -> None:
    story = Story().fold(
        e.Arrived(carrier="telnyx", leg=LEG, from_="+1", to="+2", policy=e.CallPolicy(by_command=True))
    )
    story.fold(e.CommandFailed(effect=story.asked[0].id, reason="90018: call has ended", retryable=False))
    assert len(story.effects(f.HangUp)) == 1
    assert story.live.detail == "90018: call has ended"


def test_a_stream_that_cannot_be_opened_because_the_caller_hung_up_is_no_error() -> None:
    story = Story().fold(
        e.Arrived(carrier="telnyx", leg=LEG, from_="+1", to="+2", policy=e.CallPolicy(by_command=True))
    )
    story.fold(e.Answered(leg=LEG), stream_opened(), e.StreamClosed(stream=STREAM))
    opening = next(x for x in story.asked if isinstance(x, f.OpenStream))
    story.fold(e.CommandFailed(effect=opening.id, reason="90018", retryable=False), e.HungUp(leg=LEG))
    assert story.live.phase is Phase.COMPLETED
    assert story.effects(f.HangUp) == []


def test_a_refused_caller_is_rejected_by_command_on_a_call_that_is_over() -> None:
    away = e.CallRejected(carrier="telnyx", leg=LEG, from_="+1", to="+2", reason="busy", by_command=True)
    story = Story().fold(away)
    (reject,) = story.asked
    assert isinstance(reject, f.Reject)
    assert reject.reason == "busy"
    assert story.live.is_over


STREAMED = e.CallPolicy(by_command=True)
G722 = e.StreamUnusable(leg=LEG, reason="the carrier's media stream is G722")


def test_a10_audio_that_cannot_be_decoded_makes_the_carrier_speak_and_listen() -> None:
    """What waited for the stream is said at once; the record says why; a second report changes nothing."""
    story = Story().fold(placed(policy=STREAMED), e.Dialled(leg=LEG), e.Answered(leg=LEG))
    assert spoken(story) == []
    story.fold(G722, G722)
    assert [(speak.text, speak.listens) for speak in spoken(story)] == [("Hello there", True)]
    assert (story.live.is_native, story.live.detail) == (True, G722.reason)
    assert e.Timer.RECONNECT not in story.live.timers
    assert not any(isinstance(effect, f.OpenStream) for effect in story.live.pending.values())
    story.fold(e.PlaybackBegan(utterance=1), said(1), e.Heard(text="hello", leg=LEG), after=10)
    assert len(story.effects(f.AskAgent)) == 1
    assert story.effects(f.HangUp) == []


def test_a10_an_inbound_caller_whose_audio_cannot_be_decoded_is_greeted_too() -> None:
    """The socket may be the first sign that the leg was answered."""
    story = Story().fold(
        e.Arrived(carrier="telnyx", leg=LEG, from_="+1", to="+2", greeting="Hi", policy=STREAMED), G722
    )
    assert [speak.text for speak in spoken(story)] == ["Hi"]
    assert story.live.answered_at is not None


def test_a10_a_call_without_a_stream_ignores_sockets_and_speech_recognition_of_its_past() -> None:
    """A session that was opened for the stream may still fail, and a socket may come late."""
    story = Story().fold(placed(policy=STREAMED), e.Dialled(leg=LEG), e.Answered(leg=LEG), G722)
    story.fold(stream_opened(), e.SttLost(), e.SttFailed(reason="closed"), e.StreamClosed(stream=STREAM))
    assert (story.live.stream, len(spoken(story)), story.effects(f.HangUp)) == (None, 1, [])


def test_a10_a_call_with_a_good_stream_keeps_it_and_an_ending_one_says_nothing() -> None:
    """A second socket in another codec does not take the first one away."""
    story = Story().fold(placed(policy=STREAMED), e.Dialled(leg=LEG), stream_opened(), G722)
    assert story.live.stream is not None
    ending = Story().fold(placed(policy=STREAMED), e.Dialled(leg=LEG), e.Answered(leg=LEG))
    ending.fold(e.EndRequested(request=R1), G722)
    assert spoken(ending) == []


NO_SOCKET = "no media socket came from the carrier: does the proxy pass WebSocket upgrades on?"


def test_a26_a_media_socket_that_never_comes_makes_the_carrier_speak_within_three_seconds() -> None:
    """The callee hears the opening text, the conversation goes on, and the record says what is wrong."""
    story = Story().fold(placed(), e.Dialled(leg=LEG), e.Answered(leg=LEG))
    story.fold(e.TimerFired(timer=e.Timer.RECONNECT), after=2.6)
    assert [speak.text for speak in spoken(story)] == ["Hello there"]
    assert story.live.detail == NO_SOCKET
    story.fold(e.PlaybackBegan(utterance=1), said(1), e.Heard(text="hello", leg=LEG), e.AgentSaid(turn=1, text="Yes?"))
    story.fold(e.AgentDone(turn=1))
    assert [speak.text for speak in spoken(story)] == ["Hello there", "Yes?"]
    assert story.effects(f.HangUp) == []


def test_a26_an_inbound_caller_is_greeted_though_the_carrier_reports_no_answer() -> None:
    """The webhook response answered the call; a socket that hangs reports nothing for many seconds."""
    story = Story().fold(arrived("Good morning")).fold(e.TimerFired(timer=e.Timer.RECONNECT), after=2.6)
    assert [speak.text for speak in spoken(story)] == ["Good morning"]
    assert story.live.answered_at is not None


def test_a26_a_notice_is_said_once_and_ends_the_call_as_usual() -> None:
    story = Story().fold(placed(e.Mode.NOTIFY), e.Dialled(leg=LEG), e.Answered(leg=LEG))
    story.fold(e.TimerFired(timer=e.Timer.RECONNECT), after=2.6).fold(e.PlaybackBegan(utterance=1), said(1))
    story.fold(e.TimerFired(timer=e.Timer.NOTIFY_HANGUP), after=3.1)
    assert (len(spoken(story)), len(story.effects(f.HangUp))) == (1, 1)


def test_a26_a_carrier_that_rings_by_command_is_not_given_up_before_it_answered() -> None:
    """Telnyx's leg rings until our answer: its socket cannot be there yet."""
    story = Story().fold(e.Arrived(carrier="telnyx", leg=LEG, from_="+1", to="+2", policy=STREAMED))
    assert e.Timer.RECONNECT not in story.live.timers


def test_a26_a_caller_to_whom_nothing_is_said_is_asked_to_speak_again() -> None:
    """The carrier listens behind a prompt only, and they have waited for two seconds and a half."""
    story = Story().fold(arrived("")).fold(e.TimerFired(timer=e.Timer.RECONNECT), after=2.6)
    assert [(speak.text, speak.listens) for speak in spoken(story)] == [(ENGLISH.not_caught, True)]


def test_a26_a_socket_in_time_changes_nothing() -> None:
    story = Story().fold(placed(), e.Dialled(leg=LEG), e.Answered(leg=LEG), stream_opened())
    story.fold(e.TimerFired(timer=e.Timer.RECONNECT), after=2.6)
    assert (story.live.is_native, story.live.detail, len(spoken(story))) == (False, "", 1)
