"""The resampler: what passes, what is stopped, and that chunks make no difference."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.audio.pcm import Resampler

RATES = [8000, 16000, 22050, 24000, 44100, 48000]
rates = st.sampled_from(RATES)


def tone(pitch_hz: float, rate: int, seconds: float, amplitude: int = 12000) -> bytes:
    at = np.arange(int(rate * seconds)) / rate
    return (amplitude * np.sin(2 * np.pi * pitch_hz * at)).astype("<i2").tobytes()


def resampled(pcm16: bytes, rate: int) -> bytes:
    resampler = Resampler(rate)
    return resampler.feed(pcm16) + resampler.flush()


def rms(pcm16: bytes) -> float:
    samples: npt.NDArray[np.float64] = np.frombuffer(pcm16, dtype="<i2").astype(float)
    return float(np.sqrt((samples**2).mean()))


def test_a_one_kilohertz_tone_at_48_khz_comes_through() -> None:
    """0.6 s give 9600 bytes, at the same loudness."""
    out = resampled(tone(1000, 48000, 0.6), 48000)
    assert len(out) == 9600
    assert rms(out) > 7500


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 48000])
def test_a_tone_above_the_telephone_band_does_not_fold_back(rate: int) -> None:
    """A tone above 4 kHz is attenuated to a thousandth."""
    heard, folded = (resampled(tone(pitch, rate, 0.6), rate) for pitch in (1000, 6000))
    assert rms(folded) < rms(heard) / 10
    assert rms(folded[100:-100]) < rms(heard[100:-100]) / 1000  # away from the clicks where the tone is cut


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("pitch", [200, 1000, 2500, 3400])
def test_speech_frequencies_keep_their_loudness(rate: int, pitch: int) -> None:
    """Up to 3.4 kHz within half a decibel, at every rate a voice may use."""
    out = resampled(tone(pitch, rate, 0.5), rate)
    assert rms(out[400:-400]) == pytest.approx(12000 / np.sqrt(2), rel=0.06)


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 48000])
def test_the_output_is_the_sampled_signal_itself(rate: int) -> None:
    """No delay and no change of phase: resampling a tone gives the tone at 8 kHz."""
    out = np.frombuffer(resampled(tone(700, rate, 0.3), rate), dtype="<i2")[50:-50].astype(int)
    expected = np.frombuffer(tone(700, 8000, 0.3), dtype="<i2")[50 : 50 + len(out)].astype(int)
    assert np.abs(out - expected).max() < 40


@settings(deadline=None)  # a property, not a time
@given(rates, st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=12))
def test_chunks_make_no_difference(rate: int, pcm16: bytes, cuts: list[int]) -> None:
    """Wherever the network cut the audio, also inside a sample, the bytes are the same to the bit."""
    resampler = Resampler(rate)
    edges = [0, *sorted(cut for cut in cuts if cut < len(pcm16)), len(pcm16)]
    pieces = [resampler.feed(pcm16[a:b]) for a, b in pairwise(edges)]
    assert b"".join(pieces) + resampler.flush() == resampled(pcm16, rate)


@settings(deadline=None)  # a property, not a time
@given(rates, st.integers(0, 5000))
def test_the_length_is_exact(rate: int, samples: int) -> None:
    """floor(n * 8000 / rate), so that playing time can be computed from what was received."""
    assert len(resampled(b"\0\0" * samples, rate)) == 2 * (samples * 8000 // rate)


@settings(deadline=None)  # a property, not a time
@given(rates, st.sampled_from([-32768, 32767]))
def test_the_loudest_signal_is_clamped_not_wrapped(rate: int, level: int) -> None:
    """A step to full scale overshoots in any sharp filter; wrapped, it would click at full loudness."""
    out = np.frombuffer(resampled(np.full(400, level, "<i2").tobytes(), rate), dtype="<i2")
    assert (out * np.sign(level) >= -4000).all()


def test_audio_leaves_while_the_sentence_is_still_being_made() -> None:
    """A chunk of 40 ms gives all but the last 1.5 ms at once: nothing waits for the end of the stream."""
    assert len(Resampler(24000).feed(tone(300, 24000, 0.04))) == 2 * (320 - 12)


def test_eight_kilohertz_passes_untouched() -> None:
    """The bytes are equal."""
    pcm16 = tone(1000, 8000, 0.1)
    assert resampled(pcm16, 8000) == pcm16


@pytest.mark.parametrize("rate", [0, -8000, 7999])
def test_a_rate_below_the_telephones_is_refused(rate: int) -> None:
    """Upsampling is not supported; a voice at 4 kHz is a configuration error."""
    with pytest.raises(ValueError, match="only downwards"):
        Resampler(rate)
