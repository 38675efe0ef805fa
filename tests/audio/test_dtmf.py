"""Keys as tones, judged by a detector that was written from the standard, not from this code."""

import numpy as np
import pytest

from simulators.dtmf import keys_in
from voicecall.audio import mulaw
from voicecall.audio.dtmf import keyed

pytestmark = pytest.mark.quick

ALL = "0123456789*#ABCD"


def test_every_key_is_detected_with_its_length_and_the_gap_behind_it() -> None:
    """100 ms on, 100 ms off."""
    assert keys_in(keyed(ALL)) == [(key, 200 * place, 100) for place, key in enumerate(ALL)]


@pytest.mark.parametrize(("pause", "ms"), [("w", 500), ("W", 1000), ("p", 1000), ("P", 1000), (",", 1000)])
def test_a_pause_lies_between_two_keys(pause: str, ms: int) -> None:
    assert keys_in(keyed(f"1{pause}1")) == [("1", 0, 100), ("1", 200 + ms, 100)]


@pytest.mark.parametrize("key", ALL)
def test_each_tone_has_the_level_of_the_standard(key: str) -> None:
    """-10 dBm0, and at most 4 dB between the two, after coding."""
    pcm = np.frombuffer(mulaw.decode(keyed(key)[:800]), dtype="<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(pcm)) * 2 / len(pcm)
    low = spectrum[60:100].max()  # 600 to 1000 Hz
    high = spectrum[110:175].max()
    levels = [20 * np.log10(peak / 32124) + 3.17 for peak in (low, high)]
    assert abs(levels[0] - levels[1]) < 4.0
    assert all(-14.0 < level < -9.0 for level in levels)


def test_speech_and_noise_press_nothing() -> None:
    noise = np.random.default_rng(1).normal(0, 4000, 80_000).clip(-32000, 32000).astype("<i2")
    assert keys_in(mulaw.encode(noise.tobytes())) == []
    assert keys_in(bytes([mulaw.SILENCE]) * 8000) == []


def test_what_is_no_key_is_an_error() -> None:
    with pytest.raises(KeyError):
        keyed("1x")
