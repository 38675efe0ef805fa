"""Consent to a recording: told first, or asked first, or neither; and what counts as told and as a yes."""

from dataclasses import replace

import pytest

from tests.call.story import Story, arrived, placed, stream_opened
from tests.call.test_floor import played, spoken
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import StreamId
from voicecall.call.phrases import LANGUAGES
from voicecall.call.policy import Consent
from voicecall.call.state import RecordingConsent
from voicecall.wire import pack_call, unpack_call

HELLO = "Hello! How can I help you today?"
TOLD, QUESTION = LANGUAGES["en"].recorded, LANGUAGES["en"].may_record


def inbound(consent: Consent | None, language: str = "en") -> Story:
    policy = e.CallPolicy(recording=consent, language=language)
    return Story().fold(arrived(HELLO, policy), stream_opened())


def test_a_call_is_not_recorded_unless_the_policy_says_so() -> None:
    story = inbound(None)
    assert (spoken(story), story.live.recording.is_on, story.live.recording.consent) == ([HELLO], False, None)


def test_an_announcement_comes_first_and_counts_when_it_was_heard_whole() -> None:
    """It is on the recording itself, and a caller who speaks does not cut it."""
    story = inbound(Consent.ANNOUNCE)
    assert spoken(story) == [TOLD, HELLO]
    assert (story.live.recording.is_on, story.live.recording.may_be_kept) == (True, False)
    story.fold(e.PlaybackBegan(utterance=1), e.SpeechStarted())
    assert story.effects(f.StopSpeaking) == []
    story.fold(e.SpeechStopped(), played(1)[1])
    recording = story.live.recording
    assert (recording.consent, recording.consent_at, recording.may_be_kept) == (
        RecordingConsent.ANNOUNCED,
        story.now,
        True,
    )
    assert unpack_call(pack_call(story.live)) == story.live


def test_an_announcement_that_a_lost_socket_cut_is_finished_on_the_next() -> None:
    """Then it was heard whole; the call is recorded meanwhile, and not kept if it ends before."""
    story = inbound(Consent.ANNOUNCE).fold(e.PlaybackBegan(utterance=1))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=300, total_ms=1500, complete=False))
    story.fold(e.StreamClosed(stream=StreamId("MZ1")), stream_opened(StreamId("MZ2")))
    assert not story.live.recording.may_be_kept
    for utterance in story.live.utterances:
        story.fold(*played(utterance.no))
    assert story.live.recording.consent is RecordingConsent.ANNOUNCED


def test_with_none_nothing_is_said() -> None:
    story = inbound(Consent.NONE)
    assert (spoken(story), story.live.recording.consent) == ([HELLO], RecordingConsent.NOT_ASKED)
    assert story.live.recording.may_be_kept


def asked(language: str = "en") -> Story:
    """The question was heard; the greeting waits."""
    story = inbound(Consent.ASK, language)
    assert spoken(story) == [LANGUAGES[language].may_record]
    assert not story.live.recording.is_on
    return story.fold(*played(1))


def on_time(story: Story) -> Story:
    at = story.live.timers[e.Timer.OPENING]
    return story.fold(replace(e.TimerFired(timer=e.Timer.OPENING), at=max(at, story.now)))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Yes."),
        ("en", "sure, okay"),
        ("de", "Ja, gern."),
        ("fr", "D'accord"),
        ("es", "Sí"),
        ("ja", "はい、どうぞ"),
    ],
)
def test_a_yes_begins_the_recording_and_the_greeting_follows(language: str, text: str) -> None:
    story = on_time(asked(language).fold(e.Heard(text=text, language=language)))
    assert (story.live.recording.consent, story.live.recording.is_on) == (RecordingConsent.GIVEN, True)
    assert spoken(story)[-1] == HELLO
    assert story.effects(f.AskAgent) == []


def test_the_key_1_is_a_yes() -> None:
    story = asked().fold(e.DtmfReceived(digits="1"))
    story = on_time(story.fold(e.TimerFired(timer=e.Timer.TYPED), after=3))
    assert (story.live.recording.consent, spoken(story)[-1]) == (RecordingConsent.GIVEN, HELLO)


@pytest.mark.parametrize("text", ["No.", "no thanks", "yes no", "okay, but please don't"])
def test_a_no_is_a_no_and_the_call_goes_on(text: str) -> None:
    story = on_time(asked().fold(e.Heard(text=text)))
    assert (story.live.recording.consent, story.live.recording.is_on) == (RecordingConsent.REFUSED, False)
    assert spoken(story)[-1] == HELLO


def test_other_words_are_no_yes_and_the_agent_gets_them() -> None:
    """A caller who comes to the point is answered, and not recorded."""
    story = asked().fold(e.Heard(text="I want to book a table for two tonight"))
    assert story.live.recording.consent is RecordingConsent.REFUSED
    assert len(story.effects(f.AskAgent)) == 1
    assert HELLO not in spoken(story)


def test_silence_is_no_yes() -> None:
    story = on_time(asked())
    assert (story.live.recording.consent, spoken(story)[-1]) == (RecordingConsent.UNANSWERED, HELLO)


def test_a_notice_is_announced_but_asks_nothing() -> None:
    def notice(consent: Consent) -> Story:
        policy = e.CallPolicy(recording=consent)
        told = placed(e.Mode.NOTIFY, "Your table is ready.", policy)
        return Story().fold(told, e.Dialled(leg=arrived().leg), stream_opened())

    assert spoken(notice(Consent.ANNOUNCE)) == [TOLD, "Your table is ready."]
    story = notice(Consent.ASK)
    assert (spoken(story), story.live.recording.is_on) == (["Your table is ready."], False)
