"""The parts of the speech server without models: how texts are cut, and how utterances are found."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.tones import encode_mulaw
from voicecall.audio.framing import SILENT_FRAME, Framer
from voicecall.errors import ConfigError
from voicecall.speech_server import extra
from voicecall.speech_server.synthesis import pieces_of
from voicecall.speech_server.utterances import Began, Ended, Finding, Paused, Resumed, Utterances

SOUND = encode_mulaw("mm")


def found(*audio: bytes, silence_ms: int = 600) -> Iterator[Finding]:
    utterances = Utterances(silence_ms=silence_ms, threshold=0.1, prefix_ms=300)
    for frame in Framer().feed(b"".join(audio)):
        yield from utterances.feed(frame)


def noise(ms: int) -> bytes:
    """Loud mu-law that the detector takes for speech."""
    return (SOUND * (ms * 8 // len(SOUND) + 1))[: ms * 8]


def silence(ms: int) -> bytes:
    return SILENT_FRAME * (ms // 20)


def test_sentences_are_spoken_one_by_one() -> None:
    assert pieces_of("Good evening, Dr. Watson. It is 7:30. Shall we go?") == [
        "Good evening, Dr. Watson.",
        "It is 7:30.",
        "Shall we go?",
    ]


@given(st.text(max_size=4096))
def test_no_piece_is_long_whatever_the_text_is(text: str) -> None:
    """The model's time grows with the square of a piece's length."""
    began = time.monotonic()
    assert all(0 < len(piece) <= 160 for piece in pieces_of(text))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("text", ["word " * 800, "w" * 4096, "clause, " * 500, "1.2.3." * 600])
def test_a_long_text_without_sentences_is_cut(text: str) -> None:
    pieces = pieces_of(text)
    assert all(0 < len(piece) <= 160 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_an_utterance_ends_with_the_pause_that_was_asked_for() -> None:
    kinds = [type(each) for each in found(silence(500), noise(800), silence(1000))]
    assert kinds == [Began, Paused, Ended]


def test_what_was_heard_at_the_pause_is_the_utterance() -> None:
    _, paused, ended = found(silence(500), noise(800), silence(1000))
    assert isinstance(paused, Paused)
    assert isinstance(ended, Ended)
    assert paused.audio == ended.audio
    assert 800 <= len(ended.audio) // 8 <= 1600


def test_a_short_pause_is_part_of_the_utterance() -> None:
    findings = list(found(silence(500), noise(800), silence(300), noise(800), silence(1000)))
    assert [type(each) for each in findings] == [Began, Paused, Resumed, Paused, Ended]
    assert isinstance(findings[-1], Ended)
    assert len(findings[-1].audio) // 8 >= 1900


def test_a_pause_as_short_as_the_first_look_ends_at_once() -> None:
    kinds = [type(each) for each in found(silence(500), noise(800), silence(1000), silence_ms=200)]
    assert kinds == [Began, Paused, Ended]


def test_a_caller_who_never_pauses_is_transcribed_in_parts() -> None:
    """Whisper hears thirty seconds at once."""
    syllables = [noise(240), silence(60)] * 200
    findings = list(found(*syllables, silence(1000)))
    ended = [each for each in findings if isinstance(each, Ended)]
    assert [each.goes_on for each in ended] == [True, True, False]
    assert all(len(each.audio) <= 30_000 * 8 for each in ended)


def test_silence_takes_no_memory() -> None:
    utterances = Utterances(silence_ms=600, threshold=0.5, prefix_ms=300)
    for _ in range(20_000):
        assert not utterances.feed(SILENT_FRAME)
    assert len(utterances._audio) <= 4000


def test_what_is_missing_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "hibari" else object())
    with pytest.raises(ConfigError, match=r"needs hibari-tts: pip install \"voicecall\[offline\]\""):
        extra.require_extra()
