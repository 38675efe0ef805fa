"""The features of a turn model against Whisper's own feature extraction, recorded by `record_log_mel.py`."""

import numpy as np
import pytest

from tests.audio.record_log_mel import EVERY, REFERENCE, WAVES, wave
from voicecall.audio import mulaw
from voicecall.audio.log_mel import BANDS, FRAMES, LONGEST, log_mel, upsampled

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("name", sorted(WAVES))
def test_the_features_are_whispers(name: str) -> None:
    """Of more than 8 s, of exactly 8, and of a short piece behind silence; the values span about -1 to 1."""
    features = log_mel(wave(WAVES[name]))
    reference = np.load(REFERENCE)[name]
    assert features.shape == (BANDS, FRAMES)
    assert features.dtype == np.float32
    assert float(np.ptp(reference)) > 1.0
    np.testing.assert_allclose(features[:, ::EVERY], reference, atol=2e-4)


def test_silence_has_features() -> None:
    """And none of them is infinite or no number."""
    assert np.isfinite(log_mel(np.zeros(0, dtype=np.float32))).all()


def tone(hertz: float, rate: int, seconds: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 3400.0])
def test_twice_the_rate_is_the_same_sound(hertz: float) -> None:
    """As exact as mu-law is, over the band of a telephone."""
    coded = mulaw.encode((32768 * tone(hertz, 8000, 1.0)).astype("<i2").tobytes())
    doubled = upsampled(coded)
    error = (doubled - tone(hertz, 16000, 1.0))[200:-200]
    assert len(doubled) == 2 * len(coded)
    assert 10 * np.log10((error**2).mean() / (tone(hertz, 16000, 1.0) ** 2).mean()) < -33


def test_the_newest_eight_seconds_count() -> None:
    audio = mulaw.encode((32768 * tone(440, 8000, 9.0)).astype("<i2").tobytes())
    assert (log_mel(upsampled(audio)) == log_mel(upsampled(audio)[-2 * LONGEST :])).all()
    assert len(upsampled(b"")) == 0
