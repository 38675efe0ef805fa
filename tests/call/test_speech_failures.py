"""Speech that was not heard: an interrupted queue, a voice that fails or is silent, a prompt that is too long."""

import pytest

from tests.call.story import LEG, Story, arrived, inbound, outbound, placed
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import Epoch, RequestId
from voicecall.call.phrases import ENGLISH
from voicecall.call.state import Party

R1, R2 = RequestId("r1"), RequestId("r2")


def speaks(story: Story) -> list[f.Speak]:
    return [effect for effect in story.everything if isinstance(effect, f.Speak)]


def answers(story: Story) -> dict[str, tuple[bool, str]]:
    return {x.request: (x.ok, x.text) for x in story.everything if isinstance(x, f.Resolve)}


def said(story: Story) -> list[str]:
    return [entry.text for entry in story.live.transcript if entry.speaker is Party.BOT]


def cut(no: int, heard_ms: int, total_ms: int | None = 1000) -> e.PlaybackDone:
    return e.PlaybackDone(utterance=no, heard_ms=heard_ms, total_ms=total_ms, complete=False)


def whole(no: int) -> e.PlaybackDone:
    return e.PlaybackDone(utterance=no, heard_ms=1000, total_ms=1000, complete=True)


# --- A27: a success is something that was heard


def two_speaks() -> Story:
    story = inbound().fold(e.SpeakRequested(request=R1, text="First things first."))
    return story.fold(e.SpeakRequested(request=R2, text="Then the second."), e.PlaybackBegan(utterance=1))


def test_a27_of_two_speaks_the_one_that_was_never_begun_reports_that_it_was_not_heard() -> None:
    story = two_speaks().fold(e.SpeechStarted(), cut(1, 500))
    assert answers(story)[R1] == (True, "interrupted")
    ok, text = answers(story)[R2]
    assert (ok, text.startswith("not heard")) == (False, True)
    assert said(story) == ["First thi"]


def test_a27_a_speak_that_was_cut_before_its_first_word_was_not_heard() -> None:
    """It had begun: a frame of it was sent, and none was played."""
    story = two_speaks().fold(e.SpeechStarted(), cut(1, 0))
    assert not answers(story)[R1][0]
    assert said(story) == []


def test_a27_a_transcript_that_interrupts_counts_as_much_as_a_sound() -> None:
    story = two_speaks().fold(e.Heard(text="wait"), cut(1, 700))
    assert (answers(story)[R1][0], answers(story)[R2][0]) == (True, False)


def test_a27_a_speak_behind_one_that_failed_was_not_heard() -> None:
    """The apology takes its place."""
    story = two_speaks().fold(e.SpeechFailed(utterance=1, reason="500"))
    assert (answers(story)[R1][0], answers(story)[R2][0]) == (False, False)


def test_a27_both_are_successes_when_both_were_heard() -> None:
    story = two_speaks().fold(whole(1), e.PlaybackBegan(utterance=2), e.SpeechStarted(), cut(2, 300))
    assert answers(story) == {R1: (True, ""), R2: (True, "interrupted")}


def test_a27_a_question_that_was_never_begun_has_no_answer() -> None:
    """What the caller says then is about what was said before it, and a turn of its own."""
    for interruption in ([e.SpeechStarted(), e.Heard(text="stop it")], [e.Heard(text="stop it")]):
        story = inbound().fold(e.SpeakRequested(request=R1, text="First things first."))
        story.fold(e.ContinueRequested(request=R2, text="Shall we go on?"), e.PlaybackBegan(utterance=1))
        story.fold(*interruption)
        ok, text = answers(story)[R2]
        assert (ok, text.startswith("not heard")) == (False, True)
        assert len(story.effects(f.AskAgent)) == 1


def test_a27_a_question_is_asked_again_behind_speech_that_had_begun_before_it() -> None:
    """Its withdrawal would leave the `continue` waiting for the answer to a question that was never heard."""
    story = inbound().fold(e.SpeechStarted(), e.ContinueRequested(request=R1, text="Name?"), e.Heard(text="one more"))
    assert [speak.text for speak in speaks(story)] == ["Name?", "Name?"]
    story.fold(e.PlaybackBegan(utterance=2), whole(2), e.SpeechStarted(), e.Heard(text="Ada"))
    assert answers(story)[R1] == (True, "Ada")


def test_a27_a_question_of_which_a_part_was_heard_is_answered() -> None:
    story = inbound().fold(e.ContinueRequested(request=R1, text="Name, please?"), e.PlaybackBegan(utterance=1))
    story.fold(e.SpeechStarted(), cut(1, 400), e.Heard(text="Ada"))
    assert answers(story)[R1] == (True, "Ada")


# --- A22: one hiccup loses no notice


def notice(text: str = "Your table is ready.") -> Story:
    return outbound(e.Mode.NOTIFY, text)


def test_a22_a_notice_that_failed_once_is_said_again() -> None:
    story = notice().fold(e.SpeechFailed(utterance=1, reason="503", retryable=True))
    assert [speak.text for speak in speaks(story)] == ["Your table is ready."] * 2
    assert story.live.playback.hangup_after is None
    story.fold(e.PlaybackBegan(utterance=2), whole(2), e.TimerFired(timer=e.Timer.NOTIFY_HANGUP), after=3.1)
    assert len(story.effects(f.HangUp)) == 1
    assert said(story) == ["Your table is ready."]
    assert story.live.ending is e.EndReason.HANGUP_BOT


def test_a22_a_notice_that_failed_twice_ends_with_its_reason() -> None:
    """The record says why, and the call does not end as a success."""
    story = notice().fold(e.SpeechFailed(utterance=1, reason="503", retryable=True))
    story.fold(e.SpeechFailed(utterance=2, reason="503 again", retryable=True))
    assert [speak.text for speak in speaks(story)][2:] == [ENGLISH.voice_failed]
    story.fold(e.PlaybackBegan(utterance=3), whole(3))
    assert story.live.ending is e.EndReason.ERROR
    assert story.live.detail == "speech failed: 503 again"
    assert said(story) == [ENGLISH.voice_failed]


def test_a22_a_notice_whose_voice_broke_off_is_said_again_from_its_beginning() -> None:
    """The callee heard a part of it, and hears an apology for that."""
    story = notice().fold(e.PlaybackBegan(utterance=1), e.SpeechFailed(utterance=1, reason="cut", retryable=True))
    assert [speak.text for speak in speaks(story)][1:] == [ENGLISH.cut_off, "Your table is ready."]
    story.fold(whole(1), whole(2), whole(3))
    assert said(story) == ["Your table is r", ENGLISH.cut_off, "Your table is ready."]
    assert e.Timer.NOTIFY_HANGUP in story.live.timers


def test_a22_a_notice_whose_voice_fell_silent_in_the_middle_is_said_again() -> None:
    """It had answered in time, so it may again; that it has been silent is known, so it gets little time to begin."""
    story = notice().fold(e.PlaybackBegan(utterance=1), e.SpeechFailed(utterance=1, reason="silent", hung=True))
    assert [(speak.text, speak.or_clip) for speak in speaks(story)][1:] == [
        (ENGLISH.cut_off, True),
        ("Your table is ready.", False),
    ]
    story.fold(whole(1), e.PlaybackBegan(utterance=2), whole(2), e.PlaybackBegan(utterance=3), whole(3))
    assert said(story)[1:] == [ENGLISH.cut_off, "Your table is ready."]
    assert story.live.playback.hangup_after is None


def test_a22_a_notice_whose_voice_stays_silent_ends_with_the_recorded_apology() -> None:
    story = notice().fold(e.PlaybackBegan(utterance=1), e.SpeechFailed(utterance=1, reason="silent", hung=True))
    story.fold(whole(1), e.SpeechFailed(utterance=2, reason="still silent", hung=True, clip=True))
    assert [utterance.no for utterance in story.live.utterances] == [2]
    story.fold(e.PlaybackBegan(utterance=2), whole(2))
    assert (story.live.ending, story.live.detail) == (e.EndReason.ERROR, "speech failed: still silent")
    assert said(story)[1:] == [ENGLISH.voice_failed]


def test_a22_a_notice_that_was_refused_is_not_requested_again() -> None:
    """A wrong key stays wrong."""
    story = notice().fold(e.SpeechFailed(utterance=1, reason="401"))
    assert [speak.text for speak in speaks(story)][1:] == [ENGLISH.voice_failed]


def test_a22_a_notice_in_the_carrier_s_voice_is_said_again_too() -> None:
    story = Story().fold(placed(e.Mode.NOTIFY, "Ready.", e.CallPolicy(streaming=False)), e.Dialled(leg=LEG))
    story.fold(e.Answered(leg=LEG), e.SpeechFailed(utterance=1, reason="503", retryable=True))
    assert [speak.text for speak in speaks(story)] == ["Ready.", "Ready."]


# --- A23: an apology does not wait for the voice that hangs


def test_a23_a_voice_that_hangs_is_not_asked_for_the_apology() -> None:
    story = inbound().fold(e.SpeakRequested(request=R1, text="Hi"), e.SpeechFailed(utterance=1, reason="", hung=True))
    assert [(speak.text, speak.clip) for speak in speaks(story)][1:] == [(ENGLISH.voice_failed, True)]


def test_a23_a_notice_whose_voice_hangs_ends_after_the_recorded_apology() -> None:
    story = notice().fold(e.SpeechFailed(utterance=1, reason="no answer in time", hung=True))
    assert [speak.clip for speak in speaks(story)] == [False, True]
    story.fold(e.PlaybackBegan(utterance=2), whole(2))
    assert (story.live.ending, story.live.detail) == (e.EndReason.ERROR, "speech failed: no answer in time")


def test_a23_a_recorded_apology_that_was_cut_off_is_played_again_whole() -> None:
    """It cannot be continued, and the voice that hangs could not say "I was cut off"."""
    story = inbound().fold(e.SpeakRequested(request=R1, text="Hi"), e.SpeechFailed(utterance=1, reason="", hung=True))
    story.fold(e.PlaybackBegan(utterance=2), cut(2, 500))
    story.fold(e.PlaybackBegan(utterance=3), e.Reactivated(epoch=Epoch(2)))
    assert [(speak.text, speak.clip) for speak in speaks(story)][1:] == [(ENGLISH.voice_failed, True)] * 3


@pytest.mark.parametrize("hung", [True, False])
def test_a23_what_was_heard_of_a_voice_that_fell_silent_is_in_the_record(*, hung: bool) -> None:
    """How long the whole would have been, nobody knows: the pace of speech tells how much the caller heard."""
    story = inbound().fold(
        e.SpeakRequested(request=R1, text="Once upon a time there was"), e.PlaybackBegan(utterance=1)
    )
    story.fold(e.SpeechFailed(utterance=1, reason="fell silent", hung=hung), whole(1))
    story.fold(e.PlaybackBegan(utterance=2), whole(2))
    assert said(story) == ["Once upon a tim", ENGLISH.voice_failed]
    assert not answers(story)[R1][0]


def test_a23_a_voice_that_only_refuses_is_asked_for_the_apology() -> None:
    """It may be able to say that; the recorded one has another voice."""
    story = inbound().fold(e.SpeakRequested(request=R1, text="Hi"), e.SpeechFailed(utterance=1, reason="400"))
    assert not speaks(story)[-1].clip


def test_a23_the_record_holds_the_apology_that_was_heard() -> None:
    """The recorded one has a text of its own."""
    story = inbound().fold(e.SttFailed(reason="gone"), e.SpeechFailed(utterance=1, reason="500", clip=True))
    assert said(story) == [ENGLISH.voice_failed]
    story.fold(e.PlaybackBegan(utterance=1), whole(1))
    assert said(story) == [ENGLISH.voice_failed]
    assert story.live.ending is e.EndReason.ERROR


@pytest.mark.parametrize("hung", [True, False])
def test_a23_an_apology_that_never_began_is_not_in_the_record(*, hung: bool) -> None:
    story = inbound().fold(e.SpeakRequested(request=R1, text="Hi"), e.SpeechFailed(utterance=1, reason="", hung=hung))
    story.fold(e.HungUp(leg=LEG))
    assert said(story) == []


def test_a23_a_carrier_that_speaks_itself_has_no_recorded_apology() -> None:
    story = Story().fold(arrived("", e.CallPolicy(streaming=False)), e.Answered(leg=LEG))
    story.fold(e.SpeakRequested(request=R1, text="Hi"), e.SpeechFailed(utterance=1, reason="", hung=True))
    assert not speaks(story)[-1].clip


# --- A13: a prompt that is longer than the carrier takes is said in parts

SHORT = e.CallPolicy(streaming=False, longest_prompt=40)
LONG = "One table is free at seven. Another one is free at nine. Which would you like?"


def native(mode: e.Mode = e.Mode.CONVERSATION, message: str = "") -> Story:
    return Story().fold(placed(mode, message, SHORT), e.Dialled(leg=LEG), e.Answered(leg=LEG))


def test_a13_a_long_notice_is_said_in_parts() -> None:
    story = native(e.Mode.NOTIFY, LONG)
    texts = [speak.text for speak in speaks(story)]
    assert texts == ["One table is free at seven.", "Another one is free at nine.", "Which would you like?"]
    for no in (1, 2, 3):
        assert story.live.ending is None
        assert e.Timer.NOTIFY_HANGUP not in story.live.timers
        story.fold(e.PlaybackBegan(utterance=no), whole(no))
    assert e.Timer.NOTIFY_HANGUP in story.live.timers
    assert said(story) == texts


def test_a13_only_the_last_part_listens() -> None:
    """Else the carrier would wait for an answer between two parts."""
    assert [speak.listens for speak in speaks(native(message=LONG))] == [False, False, True]


def test_a13_a_long_question_is_answered_after_its_last_part() -> None:
    story = native().fold(e.ContinueRequested(request=R1, text=LONG))
    assert [speak.token for speak in speaks(story)] == ["", "", R1]
    story.fold(e.PlaybackBegan(utterance=1), whole(1), e.PlaybackBegan(utterance=2), whole(2))
    assert e.Timer.TRANSCRIPT not in story.live.timers
    story.fold(e.PlaybackBegan(utterance=3), whole(3))
    assert e.Timer.TRANSCRIPT in story.live.timers
    story.fold(e.Heard(text="nine", turn_token=R1))
    assert answers(story)[R1] == (True, "nine")


def test_a13_a_part_that_fails_fails_the_whole() -> None:
    """The question, and what was to be said; nothing of the rest is said."""
    story = native().fold(e.ContinueRequested(request=R1, text=LONG), e.SpeechFailed(utterance=1, reason="422"))
    assert (answers(story)[R1][0], story.live.pending_continue) == (False, None)
    assert " ".join(utterance.text for utterance in story.live.utterances) == ENGLISH.voice_failed
    story = native().fold(e.SpeakRequested(request=R2, text=LONG), e.PlaybackBegan(utterance=1), whole(1))
    story.fold(e.SpeechFailed(utterance=2, reason="422"))
    assert not answers(story)[R2][0]


def test_a13_a_long_text_of_which_a_part_was_heard_was_interrupted() -> None:
    story = native().fold(e.SpeakRequested(request=R2, text=LONG), e.PlaybackBegan(utterance=1), whole(1))
    story.fold(e.SpeechStarted())
    assert answers(story)[R2] == (True, "interrupted")
    story = native().fold(e.SpeakRequested(request=R2, text=LONG), e.SpeechStarted())
    assert not answers(story)[R2][0]


def test_a13_the_new_owner_says_the_parts_that_were_not_heard() -> None:
    story = native(e.Mode.NOTIFY, LONG).fold(e.PlaybackBegan(utterance=1), whole(1))
    before = len(speaks(story))
    story.fold(e.Reactivated(epoch=Epoch(2)))
    assert [speak.text for speak in speaks(story)][before:] == ["Another one is free at nine.", "Which would you like?"]


def test_a13_on_a_media_stream_nothing_is_cut() -> None:
    story = Story().fold(arrived(LONG, e.CallPolicy(longest_prompt=40)), e.Answered(leg=LEG))
    assert story.live.playback.opening_text == LONG


def test_what_was_sent_before_the_voice_broke_off_is_recorded_as_heard() -> None:
    """The ingress reports its beginning after the failure: the record has the part that the caller hears."""
    story = inbound().fold(e.SpeakRequested(request=R1, text="Hello there, how are you?"))
    story.fold(e.SpeechFailed(utterance=1, reason="closed with code 1006", sent=True))
    story.fold(e.PlaybackBegan(utterance=1), e.PlaybackDone(utterance=1, heard_ms=650, total_ms=650, complete=True))
    assert said(story) == ["Hello ther", ENGLISH.voice_failed]
