"""The pure parts of speech recognition: messages, order of transcripts, backlog, gate."""

import base64
import itertools

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.call.ids import CallId
from voicecall.speech.stt import openai_messages as wire
from voicecall.speech.stt.backlog import Backlog
from voicecall.speech.stt.gate import SpeechGate
from voicecall.speech.stt.transcripts import Transcripts
from voicecall.speech.tts.clip import apology
from voicecall.speech.vad import VoiceActivity

CALL = CallId("5b0a3d3e-6a52-4d3b-9c7e-2f1f6f1d7c11")

# --- messages


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.example.com/v1", "wss://api.example.com/v1/realtime?intent=transcription"),
        ("http://127.0.0.1:1/v1/", "ws://127.0.0.1:1/v1/realtime?intent=transcription"),
        ("ws://h/v1", "ws://h/v1/realtime?intent=transcription"),
    ],
)
def test_the_socket_stands_beside_the_rest_of_the_service(base: str, url: str) -> None:
    """One base URL configures all of it."""
    assert wire.realtime_url(base) == url


@pytest.mark.parametrize(
    ("model", "detects"),
    [
        ("gpt-4o-transcribe", True),
        ("gpt-transcribe", True),
        ("gpt-live-transcribe", False),
        ("gpt-realtime-whisper-2027", False),
    ],
)
def test_a_model_that_detects_no_pauses_is_not_asked_to(model: str, *, detects: bool) -> None:
    """OpenAI requires `turn_detection: null` for these models."""
    update = orjson.loads(wire.session_update(model, threshold=0.4, silence_ms=600))
    sound = update["session"]["audio"]["input"]
    assert sound["format"] == {"type": "audio/pcmu"}
    assert sound["transcription"] == {"model": model}
    detection = {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 300, "silence_duration_ms": 600}
    assert sound["turn_detection"] == (detection if detects else None)


@settings(deadline=None)  # a property, not a time
@given(st.binary(max_size=400))
def test_audio_travels_as_base64(mulaw: bytes) -> None:
    """The message formatted by hand is valid JSON."""
    assert base64.b64decode(orjson.loads(wire.append(mulaw))["audio"]) == mulaw


_json = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), st.lists, max_leaves=4)
_members = dict.fromkeys(("item_id", "previous_item_id", "transcript", "error"), _json)
_kinds = [
    "session.updated",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "error",
]


@settings(deadline=None)  # a property, not a time
@given(st.fixed_dictionaries({"type": st.sampled_from(_kinds) | _json}, optional=_members) | _json)
def test_any_message_is_read_without_an_exception(message: object) -> None:
    """Members of the wrong type raise nothing: an exception would end the call's recognition."""
    said = wire.read(orjson.dumps(message).decode())
    assert said is None or isinstance(said, wire.ServerMessage)


def test_an_error_is_reported_by_its_identifiers_never_by_its_message() -> None:
    """The message may quote the caller, and goes to a log."""
    error = {"type": "invalid_request_error", "code": "bad thing: my PIN is 1234", "message": "my PIN is 1234"}
    assert wire.read(orjson.dumps({"type": "error", "error": error}).decode()) == wire.ServiceErrorMessage(
        "invalid_request_error", "unknown"
    )
    assert wire.read("{") == wire.ServiceErrorMessage("unreadable", "not-an-object")


# --- the order of transcripts


@pytest.mark.parametrize("arrival", list(itertools.permutations("abcd")))
def test_transcripts_are_returned_in_the_order_of_speech(arrival: tuple[str, ...]) -> None:
    """All 24 orders, each text sent twice."""
    transcripts = Transcripts()
    for previous, item in zip([None, "a", "b", "c"], "abcd", strict=True):
        transcripts.committed(item, previous)
    texts = [text for item in arrival for _ in range(2) for text in transcripts.completed(item, item.upper())]
    assert texts == ["A", "B", "C", "D"]
    assert not transcripts.is_held_up


def test_an_utterance_announced_late_takes_its_place() -> None:
    """`previous_item_id` counts, not the order of announcements."""
    transcripts = Transcripts()
    transcripts.committed("a", None)
    transcripts.committed("c", "b")
    transcripts.committed("b", "a")
    texts = [text for item in "cba" for text in transcripts.completed(item, item)]
    assert texts == ["a", "b", "c"]


def test_a_missing_transcript_delays_the_others_only_until_overdue() -> None:
    """And it is returned if it comes later."""
    transcripts = Transcripts()
    for previous, item in ((None, "a"), ("a", "b")):
        transcripts.committed(item, previous)
    assert transcripts.completed("b", "second") == []
    assert transcripts.is_held_up
    assert transcripts.overdue() == ["second"]
    assert transcripts.completed("a", "first") == ["first"]


def test_a_failed_utterance_lets_the_next_one_pass() -> None:
    """It is left out and delays no other."""
    transcripts = Transcripts()
    transcripts.committed("a", None)
    transcripts.committed("b", "a")
    assert transcripts.completed("b", " two \n words ") == []
    assert transcripts.completed("a", None) == ["two words"]


def test_a16_an_utterance_without_words_is_reported() -> None:
    """The service has listened and found none: the call need not wait for a transcript."""
    transcripts = Transcripts()
    transcripts.committed("a", None)
    assert transcripts.completed("a", " ") == [""]


# --- the backlog


@settings(deadline=None)  # a property, not a time
@given(st.lists(st.binary(min_size=1, max_size=50) | st.none()))
def test_the_backlog_keeps_the_newest_and_never_more_than_its_limit(pieces: list[bytes | None]) -> None:
    """The oldest audio is dropped and counted."""
    backlog = Backlog(limit=100)
    for piece in pieces:
        if piece is None:
            backlog.end_utterance()
        else:
            backlog.put(piece)
    everything = b"".join(piece for piece in pieces if piece)
    kept = b"".join(piece for piece in backlog.take() if piece)
    assert len(kept) <= 100
    assert everything.endswith(kept)
    assert backlog.dropped == len(everything) - len(kept)
    assert backlog.take() == []


def test_a_backlog_leaves_as_one_piece_per_utterance() -> None:
    """One message instead of 250; the ends of utterances stay in place."""
    backlog = Backlog()
    for piece in (b"a", b"b", None, None, b"c"):
        if piece is None:
            backlog.end_utterance()
        else:
            backlog.put(piece)
    assert backlog.take() == [b"ab", None, b"c"]


# --- the gate


def test_only_speech_passes_the_gate_with_a_run_up_and_an_end() -> None:
    """Ten seconds of silence around a sentence are neither sent nor billed."""
    backlog = Backlog(limit=10**6)
    gate = SpeechGate(VoiceActivity(silence_ms=800), backlog)
    line = SILENT_FRAME * 250 + apology() + SILENT_FRAME * 250
    events = [change for at in range(0, len(line), 160) for change in gate.feed(line[at : at + 160])]
    assert [type(change) for change in events] == [SpeechStarted, SpeechStopped]
    audio, end = backlog.take()
    assert end is None
    assert audio is not None
    assert audio in line
    assert audio.startswith(SILENT_FRAME * 5)  # the run-up
    assert len(apology()) < len(audio) < len(apology()) + 9_000
