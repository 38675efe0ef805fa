"""The pure parts of speech recognition: messages, order of transcripts, tape, gate, partials, roster."""

import asyncio
import base64
import itertools
from collections.abc import Sequence
from importlib import import_module
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.manifests import STT
from voicecall.manifests.deepgram import DeepgramRecognition
from voicecall.manifests.elevenlabs import ElevenLabsRecognition
from voicecall.manifests.openai import OpenAIRecognition
from voicecall.manifests.whisper import WhisperRecognition
from voicecall.ports import PartialTranscript
from voicecall.speech.stt.deepgram import FluxWire, NovaWire, model_of
from voicecall.speech.stt.elevenlabs import ScribeWire
from voicecall.speech.stt.gate import SpeechGate
from voicecall.speech.stt.link import (
    LikelyEnd,
    Partial,
    Service,
    ServiceFault,
    Signal,
    SpeechBegan,
    SpeechEnded,
    Transcribed,
)
from voicecall.speech.stt.openai_realtime import RealtimeWire
from voicecall.speech.stt.partials import Partials
from voicecall.speech.stt.recognition import Recognition
from voicecall.speech.stt.roster import Roster
from voicecall.speech.stt.tape import Tape
from voicecall.speech.stt.transcripts import Transcripts
from voicecall.speech.stt.whisper import WhisperLink
from voicecall.speech.tts.clip import apology
from voicecall.speech.vad import VoiceActivity

# --- messages of OpenAI


def _wire(**block: str | float) -> RealtimeWire:
    return RealtimeWire(OpenAIRecognition.model_validate(block, by_name=True))


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.example.com/v1", "wss://api.example.com/v1/realtime?intent=transcription"),
        ("http://127.0.0.1:1/v1/", "ws://127.0.0.1:1/v1/realtime?intent=transcription"),
    ],
)
def test_the_socket_stands_beside_the_rest_of_the_service(base: str, url: str) -> None:
    """One base URL configures all of it."""
    assert _wire(base_url=base).url == url


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
    update = orjson.loads(_wire(model=model, vad_threshold=0.4, silence_duration_ms=600).opening)
    sound = update["session"]["audio"]["input"]
    assert sound["format"] == {"type": "audio/pcmu"}
    assert sound["transcription"] == {"model": model}
    detection = {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 300, "silence_duration_ms": 600}
    assert sound["turn_detection"] == (detection if detects else None)


@settings(deadline=None)  # a property, not a time
@given(st.binary(max_size=400))
def test_audio_travels_as_base64(mulaw: bytes) -> None:
    """The messages formatted by hand are valid JSON."""
    scribe = ScribeWire(ElevenLabsRecognition())
    assert base64.b64decode(orjson.loads(_wire().audio(mulaw))["audio"]) == mulaw
    assert base64.b64decode(orjson.loads(scribe.audio(mulaw))["audio_base_64"]) == mulaw


_json = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), st.lists, max_leaves=4)
_names = (
    *("item_id", "previous_item_id", "transcript", "error", "text", "start", "duration", "is_final", "speech_final"),
    *("channel", "event", "turn_index", "code"),
)
_channels = st.fixed_dictionaries({"alternatives": st.lists(_json | st.fixed_dictionaries({"transcript": _json}))})
_members = dict.fromkeys(_names, _json) | {"channel": _json | _channels}
_kinds = st.sampled_from(
    [
        "session.updated",
        "input_audio_buffer.committed",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.failed",
        "error",
        *("Results", "UtteranceEnd", "TurnInfo", "Error", "Connected"),
        *("session_started", "partial_transcript", "committed_transcript", "auth_error"),
    ]
)
_WIRES = (
    RealtimeWire(OpenAIRecognition()),
    NovaWire(DeepgramRecognition()),
    FluxWire(DeepgramRecognition()),
    ScribeWire(ElevenLabsRecognition()),
)


@settings(deadline=None)  # a property, not a time
@given(
    st.fixed_dictionaries({"type": _kinds | _json}, optional=_members)
    | st.fixed_dictionaries({"message_type": _kinds | _json}, optional=_members)
    | _json
)
def test_any_message_is_read_without_an_exception(message: object) -> None:
    """Members of the wrong type raise nothing: an exception would end the call's recognition."""
    for wire in _WIRES:
        assert all(isinstance(signal, Signal) for signal in wire.read(orjson.dumps(message).decode()))
        assert all(isinstance(signal, ServiceFault) for signal in wire.read("{"))


def test_an_error_is_reported_by_its_identifiers_never_by_its_message() -> None:
    """The message may quote the caller, and goes to a log."""
    error = {"type": "invalid_request_error", "code": "bad thing: my PIN is 1234", "message": "my PIN is 1234"}
    (fault,) = _wire().read(orjson.dumps({"type": "error", "error": error}).decode())
    assert fault == ServiceFault(kind="invalid_request_error", code="unknown", is_final=True)


# --- messages of Deepgram


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ({}, "flux-general-en"),
        ({"language": "en-GB"}, "flux-general-en"),
        ({"language": "de"}, "flux-general-multi"),
        ({"language": "pl"}, "nova-3"),
        ({"language": "de", "model": "nova-3-medical"}, "nova-3-medical"),
    ],
)
def test_deepgrams_model_follows_the_language(written: dict[str, str], model: str) -> None:
    """Flux where it speaks the language; a configured model always."""
    assert model_of(DeepgramRecognition.model_validate(written)) == model


def test_an_eager_end_is_asked_for_only_where_partials_are_wanted() -> None:
    """It costs tokens where it is wrong."""
    block = DeepgramRecognition.model_validate({"language": "de", "eotThreshold": 0.6})
    query = dict(parse_qsl(urlsplit(FluxWire(block).url).query))
    assert (query["eot_threshold"], query["language_hint"], query["model"]) == ("0.6", "de", "flux-general-multi")
    assert "eager_eot_threshold" not in query
    eager = dict(parse_qsl(urlsplit(FluxWire(block, likely_ends=True).url).query))
    assert eager["eager_eot_threshold"] == "0.5"


@pytest.mark.parametrize(
    ("name", "block", "finds"),
    [
        ("deepgram", {"language": "de"}, True),
        ("deepgram", {"language": "pl"}, False),
        ("openai", {}, False),
        ("openai", {"model": "gpt-live-transcribe"}, True),
        ("elevenlabs", {}, False),
        ("compatible", {"baseUrl": "http://127.0.0.1:9"}, False),
    ],
)
async def test_which_services_find_likely_ends(name: str, block: dict[str, str], *, finds: bool) -> None:
    """Flux finds them; what OpenAI's live model has written it does not take back. The others' partials change."""
    manifest = STT[name]
    build = import_module(f"voicecall.speech.stt.{manifest.adapter}").build
    async with aiohttp.ClientSession() as http:
        recognition = Recognition([build(manifest.block.model_validate(block), http)])
        assert recognition.finds_likely_ends is finds
        await recognition.close()


def test_novas_utterance_is_all_its_final_parts() -> None:
    """Interim parts are replaced by the final one; a repeated part counts once; a noise is an empty utterance."""
    wire = NovaWire(DeepgramRecognition())

    def results(text: str, start: float, *, final: bool, ends: bool = False) -> Sequence[Signal]:
        about = {"type": "Results", "start": start, "duration": 1.0, "is_final": final, "speech_final": ends}
        return wire.read(orjson.dumps({**about, "channel": {"alternatives": [{"transcript": text}]}}).decode())

    assert results("my name", 0.0, final=False) == (SpeechBegan(), Partial("my name"))
    assert results("My name is", 0.0, final=True) == (SpeechBegan(), Partial("My name is"))
    assert results("My name is", 0.0, final=True) == ()
    assert results("an", 1.0, final=False) == (SpeechBegan(), Partial("My name is an"))
    assert results("Ann.", 1.0, final=True, ends=True) == (
        SpeechBegan(),
        SpeechEnded(),
        Transcribed("1", "My name is Ann."),
    )
    assert wire.read('{"type":"UtteranceEnd"}') == ()
    assert results("", 2.0, final=True) == ()
    assert wire.read('{"type":"SpeechStarted"}') == (SpeechBegan(),)
    assert results("", 2.5, final=True) == (SpeechEnded(), Transcribed("2", ""))
    results("Hello", 3.5, final=True)
    assert wire.read('{"type":"UtteranceEnd"}') == (SpeechEnded(), Transcribed("3", "Hello"))


def test_a_connection_counts_its_utterances_by_the_index_of_the_turn() -> None:
    """A repeated end of a turn is recognised by it."""
    wire = FluxWire(DeepgramRecognition())
    told = [
        wire.read(orjson.dumps({"type": "TurnInfo", "event": event, "turn_index": 4, "transcript": text}).decode())
        for event, text in (("StartOfTurn", "Hi"), ("EagerEndOfTurn", "Hi you"), ("TurnResumed", "Hi you"))
    ]
    assert told == [(SpeechBegan(), Partial("Hi")), (LikelyEnd("Hi you"),), (Partial("Hi you"),)]
    assert wire.read('{"type":"TurnInfo","event":"EndOfTurn","turn_index":4,"transcript":"Hi you."}') == (
        SpeechEnded(),
        Transcribed("4", "Hi you."),
    )


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


# --- the tape


def _played(tape: Tape) -> bytes:
    heard = b""
    while piece := tape.take():
        heard += piece
    return heard


@settings(deadline=None)  # a property, not a time
@given(st.lists(st.binary(min_size=1, max_size=50)))
def test_the_tape_keeps_the_newest_and_never_more_than_its_limit(pieces: list[bytes]) -> None:
    """The oldest audio is dropped and counted."""
    tape = Tape(limit=100)
    for piece in pieces:
        tape.put(piece)
    everything, kept = b"".join(pieces), _played(tape)
    assert len(kept) <= 100
    assert everything.endswith(kept)
    assert tape.dropped == len(everything) - len(kept)
    assert tape.take() == b""


def test_a_backlog_leaves_in_pieces_of_at_most_a_second() -> None:
    """One message instead of 50, and none that a service refuses for its length."""
    tape = Tape()
    for _ in range(120):
        tape.put(SILENT_FRAME)
    assert [len(tape.take()) for _ in range(4)] == [8000, 8000, 3200, 0]


def test_the_words_that_a_connection_took_with_it_are_sent_again() -> None:
    """From a second before the report of speech: services report it late."""
    tape = Tape()
    said = bytes(range(1, 251)) * 160  # five seconds
    tape.put(said[:16_000])
    _played(tape)
    tape.began()
    tape.put(said[16_000:])
    _played(tape)

    tape.rewind()

    assert _played(tape) == said[8_000:]


def test_what_has_its_transcript_is_not_sent_again() -> None:
    """The caller would be heard twice."""
    tape = Tape()
    for text in (b"first ", b"second "):
        tape.put(text)
        _played(tape)
        tape.began()
        tape.ended()
    tape.settled("1")

    tape.rewind()

    assert _played(tape) == b"second "


def test_an_utterance_that_was_overtaken_is_not_sent_again() -> None:
    """The one after it has its transcript: sent again, that would be heard twice."""
    tape = Tape()
    for item in ("a", "b", "c"):
        tape.put(f"{item} ".encode())
        _played(tape)
        tape.began()
        tape.ended()
        tape.committed(item)
    tape.settled("b")
    tape.settled("a")
    assert tape.awaits_transcript

    tape.rewind()

    assert _played(tape) == b"c "


def test_a_replayed_utterance_is_whole_for_a_third_connection_too() -> None:
    """The second one reports the speech only after all of it was sent, and breaks as well."""
    tape = Tape()
    tape.put(b"a" * 40_000)
    _played(tape)
    tape.began()
    tape.put(b"b" * 40_000)
    _played(tape)
    tape.rewind()
    replayed = _played(tape)
    tape.began()

    tape.rewind()

    assert _played(tape) == replayed


def test_speech_that_no_service_reports_is_kept_once_it_is_suspected() -> None:
    """A silent service must not cost the words that were spoken to it."""
    tape = Tape()
    tape.put(b"a" * 4_000)
    _played(tape)
    tape.suspect()
    tape.put(b"b" * 30_000)
    _played(tape)

    tape.rewind()

    assert _played(tape) == b"a" * 4_000 + b"b" * 30_000


def test_an_utterance_that_breaks_every_connection_is_given_up() -> None:
    """It may be the reason."""
    tape = Tape()
    tape.put(b"poison")
    for _ in range(4):
        assert _played(tape) == b"poison"
        tape.began()
        tape.rewind()
    assert _played(tape) == b""


# --- the gate


def test_only_speech_passes_the_gate_with_a_run_up_and_an_end() -> None:
    """Ten seconds of silence around a sentence are neither sent nor billed."""
    line = SILENT_FRAME * 250 + apology() + SILENT_FRAME * 250
    for step in (160, len(line)):
        gate = SpeechGate(VoiceActivity(silence_ms=800))
        passed = [part for at in range(0, len(line), step) for part in gate.feed(line[at : at + step])]
        assert isinstance(passed[0], SpeechStarted)
        assert isinstance(passed[-1], SpeechStopped)
        audio = b"".join(part for part in passed if isinstance(part, bytes))
        assert audio in line
        assert audio.startswith(SILENT_FRAME * 5)  # the run-up
        assert len(apology()) < len(audio) < len(apology()) + 9_000


# --- partial transcripts


async def test_partials_are_thinned_out_and_end_with_the_newest() -> None:
    """A likely end and its revocation pass at once; a repeated text does not pass."""
    told: list[PartialTranscript] = []
    fourth = asyncio.Event()

    def report(partial: PartialTranscript) -> None:
        told.append(partial)
        if len(told) == 4:
            fourth.set()

    partials = Partials(report, 0.05)
    for text in ("a", "a b", "a b c"):
        partials.put(PartialTranscript(text=text))
    assert [each.text for each in told] == ["a"]
    partials.put(PartialTranscript(text="a b c d", is_likely_end=True))
    partials.put(PartialTranscript(text="a b c d e"))
    assert [each.text for each in told] == ["a", "a b c d", "a b c d e"]
    partials.put(PartialTranscript(text="a b c d e f"))
    partials.put(PartialTranscript(text="a b c d e f g"))
    async with asyncio.timeout(5):
        await fourth.wait()
    assert told[-1].text == "a b c d e f g"
    partials.put(PartialTranscript(text="of the next utterance"))
    partials.clear()
    assert len(told) == 4


# --- who is asked next


def _service(name: str) -> Service:
    return Service(name=name, model="m", link=lambda _: WhisperLink(WhisperRecognition(), None))  # type: ignore[arg-type]


def test_a_round_asks_each_service_once_and_one_that_refused_never_again() -> None:
    first, second = _service("first"), _service("second")
    roster = Roster([first, second])
    asked = [chosen[0].name for _ in range(2) if (chosen := roster.choose(0.0))]
    assert asked == ["first", "second"]
    assert roster.choose(0.0) is None
    roster.refuse(first)
    roster.begin_round()
    again, nothing = roster.choose(0.0), roster.choose(0.0)
    assert again is not None
    assert (again[0].name, nothing) == ("second", None)
    assert not roster.is_exhausted
    roster.refuse(second)
    assert roster.is_exhausted


def test_a_service_whose_breaker_is_open_is_passed_over_unless_none_is_left() -> None:
    """A caller must not wait for a service that has just failed three others."""
    first, second = _service("first"), _service("second")
    for _ in range(3):
        attempt = first.breaker.attempt(0.0)
        assert attempt is not None
        attempt.failed(0.0)
    roster = Roster([first, second])
    asked = [chosen[0].name for _ in range(2) if (chosen := roster.choose(1.0))]
    assert asked == ["second", "first"]
