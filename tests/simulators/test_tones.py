"""The tone code keeps its promises: what was said is what is read, to the letter, whatever the line does to it."""

import numpy as np
import pytest
import webrtcvad
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.tones import (
    END_MS,
    START_MS,
    Char,
    Decoder,
    Ended,
    Started,
    decode_all,
    encode_mulaw,
    encode_pcm16,
    ms_per_char,
    mulaw_from_pcm16,
    pcm16_from_mulaw,
)

SILENCE = b"\xff"
MS = 8  # samples
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=25)
# Of one byte each, so that the character at any millisecond is known.
plain_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=25)
line = settings(max_examples=60, deadline=None)


def noisy(mulaw: bytes, seed: int, snr_db: float) -> bytes:
    """The same audio over a bad line: white noise at `snr_db` below the tones, and mu-law once more."""
    samples = np.frombuffer(pcm16_from_mulaw(mulaw), "<i2").astype(float)
    noise = np.random.default_rng(seed).normal(0, 8000 / 2**0.5 / 10 ** (snr_db / 20), len(samples))
    return mulaw_from_pcm16(np.clip(samples + noise, -32768, 32767).astype("<i2").tobytes())


def texts_of(mulaw: bytes) -> list[str]:
    return [heard.text for heard in decode_all(mulaw)]


def in_pieces(mulaw: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(mulaw[at : at + size])
        at += size
    return [*pieces, mulaw[at:]]


@line
@given(texts, st.integers(0, 2000), st.integers(0, 2**32 - 1))
def test_what_is_said_on_a_noisy_line_is_read_exactly(text: str, offset: int, seed: int) -> None:
    """Journeys judge a call by what the callee heard: the judge may not mishear."""
    heard = decode_all(noisy(SILENCE * offset + encode_mulaw(text) + SILENCE * 8000, seed, snr_db=10))
    assert [(h.text, h.complete) for h in heard] == [(text, True)]


@line
@given(plain_texts, st.integers(0, 1000), st.data())
def test_a_sentence_cut_off_is_read_up_to_the_cut(text: str, offset: int, data: st.DataObject) -> None:
    """Barge-in is proved by the last character heard: what sounded counts, what the cut swallowed does not."""
    audio = encode_mulaw(text)
    cut = data.draw(st.integers(START_MS * MS, len(audio) - END_MS * MS))
    (heard,) = decode_all(SILENCE * offset + audio[:cut] + SILENCE * 8000)
    whole_characters = (cut // MS - START_MS) // ms_per_char
    assert heard.text in (text[:whole_characters], text[: whole_characters + 1])
    assert (heard.complete, heard.closed) == (False, False)


@line
@given(texts, texts, st.data())
def test_a_sentence_cut_off_by_the_next_leaves_both_readable(first: str, second: str, data: st.DataObject) -> None:
    """After a `clear` the next sentence follows at once, with no silence between them."""
    audio = encode_mulaw(first)
    cut = data.draw(st.integers((START_MS + 2 * ms_per_char) * MS, max((START_MS + 2 * ms_per_char) * MS, len(audio))))
    heard = decode_all(audio[:cut] + encode_mulaw(second))
    assert first.startswith(heard[0].text)
    assert (heard[-1].text, heard[-1].complete) == (second, True)
    assert len(heard) == 2


@line
@given(st.lists(st.tuples(texts, st.integers(0, 12_000)), min_size=1, max_size=4))
def test_sentences_are_separated_with_any_silence_between(said: list[tuple[str, int]]) -> None:
    """Replies arrive sentence by sentence, back to back or with the model's pauses between."""
    audio = b"".join(encode_mulaw(text) + SILENCE * pause for text, pause in said)
    assert [(h.text, h.complete) for h in decode_all(audio)] == [(text, True) for text, _ in said]


@line
@given(texts, st.lists(st.integers(0, 500), max_size=30), st.integers(0, 300))
def test_how_the_audio_is_cut_into_pieces_changes_nothing(text: str, sizes: list[int], offset: int) -> None:
    """Carriers send 20 ms, bundles and realtime clients send what they like."""
    audio = SILENCE * offset + encode_mulaw(text) + SILENCE * 6000
    decoder = Decoder()
    events = [event for piece in in_pieces(audio, sizes) for event in decoder.feed(piece)]
    started, *chars, ended = [*events, *decoder.close()]
    assert isinstance(started, Started)
    assert "".join(c.text for c in chars if isinstance(c, Char)) == text
    assert isinstance(ended, Ended)
    assert (ended.text, ended.complete) == (text, True)
    assert decoder.now_ms == len(audio) // MS


@line
@given(plain_texts, st.integers(0, 24))
def test_a_lost_frame_costs_two_characters_at_most(text: str, frame: int) -> None:
    """Media is lossy by design: a lost frame may not turn the rest of a sentence into noise."""
    audio = encode_mulaw(text + " and then the end")
    at = START_MS * MS + frame * 160 + 80
    (heard,) = decode_all(audio[:at] + audio[at + 160 :])
    assert heard.text.endswith("the end"[2:])
    assert abs(len(heard.text) - len(text + " and then the end")) <= 1
    assert heard.closed


@line
@given(plain_texts, st.integers(1, 300), st.data())
def test_a_pause_within_a_sentence_does_not_break_it(text: str, pause_ms: int, data: st.DataObject) -> None:
    """A player that runs dry for a moment inserts silence anywhere, even inside a symbol."""
    audio = encode_mulaw(text)
    at = data.draw(st.integers(0, len(audio)))
    (heard,) = decode_all(audio[:at] + SILENCE * (pause_ms * MS) + audio[at:])
    assert heard.text == text


@pytest.mark.parametrize("taps", [1, 15, 31, 63])
@line
@given(text=texts)
def test_a_voice_at_24_khz_survives_any_sound_resampler(taps: int, text: str) -> None:
    """OpenAI speaks 24 kHz: the code outlives a low-pass filter of unknown delay and decimation by three."""
    place = np.arange(taps) - taps // 2
    kernel = np.sinc(place * 2 * 3760 / 24000) * np.hanning(taps + 2)[1:-1]
    speech = np.frombuffer(encode_pcm16(text, 24000), "<i2").astype(float)
    at_8k = np.convolve(speech, kernel / kernel.sum())[::3]
    assert texts_of(mulaw_from_pcm16(np.clip(at_8k, -32768, 32767).astype("<i2").tobytes())) == [text]


@line
@given(texts, st.integers(0, 4000))
def test_times_are_those_of_the_audio(text: str, offset: int) -> None:
    """Latencies are read off the start and end of what was heard."""
    (heard,) = decode_all(SILENCE * offset + encode_mulaw(text) + SILENCE * 4000)
    length_ms = START_MS + END_MS + ms_per_char * len(text.encode())
    assert abs(heard.start_ms - offset / MS) <= 6
    assert abs(heard.end_ms - offset / MS - length_ms) <= 6


def test_the_end_is_known_with_its_last_frame() -> None:
    """End-pointing on the END tone costs no audio after it."""
    decoder = Decoder()
    events = decoder.feed(encode_mulaw("now"))
    assert events[-1] == Ended("now", complete=True, start_ms=0, end_ms=160, closed=True)


def test_a_start_cut_short_does_not_hide_the_next_sentence() -> None:
    """A reply interrupted within its first frame is followed by another one, long after."""
    assert texts_of(encode_mulaw("x")[:160] + SILENCE * 8000 + encode_mulaw("again")) == ["", "again"]


def test_a_sentence_whose_head_was_lost_is_still_heard() -> None:
    """A decoder that starts in the middle reads the rest, and reports it as incomplete."""
    (heard,) = decode_all(encode_mulaw("good morning")[160 * 5 :])
    assert heard.text == "od morning"
    assert (heard.complete, heard.closed) == (False, True)


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_silence_say_nothing(seed: int) -> None:
    """A minute of a bad, silent line is no speech."""
    assert texts_of(noisy(SILENCE * 8000 * 60, seed, snr_db=10)) == []
    assert texts_of(SILENCE * 8000 + b"\x7f" * 8000) == []


@pytest.mark.parametrize("strictness", range(4))
def test_a_voice_activity_detector_takes_the_tones_for_speech(strictness: int) -> None:
    """Turn detection in the system under test is real: the tones must wake it, and keep it awake."""
    audio = encode_mulaw("The quick brown fox jumps over the lazy dog, and then it sleeps.")
    pcm = pcm16_from_mulaw(SILENCE * 1600 + audio)
    detector = webrtcvad.Vad(strictness)
    awake = [detector.is_speech(pcm[at : at + 320], 8000) for at in range(0, len(pcm) - 319, 320)]
    assert not any(awake[:10])
    assert all(awake[10:])


def test_the_mulaw_tables_are_g711() -> None:
    """The simulator has its own tables; these are the corners of the standard."""
    corners = np.array([0, 32767, -32768, 8, -8, 1000, -1000], "<i2").tobytes()
    assert mulaw_from_pcm16(corners) == bytes([0xFF, 0x80, 0x00, 0xFE, 0x7E, 0xCE, 0x4E])
    every = bytes(range(256))
    again = mulaw_from_pcm16(pcm16_from_mulaw(every))
    assert again == every.replace(b"\x7f", b"\xff")  # there are two zeros


def test_a_rate_the_pitches_do_not_fit_is_refused() -> None:
    """Phase would jump between symbols, and 3500 Hz needs 7000."""
    with pytest.raises(ValueError, match="rate"):
        encode_pcm16("x", 11025)
