"""Log-mel features of the caller's last seconds, as Whisper's encoder takes them: the input of a turn model.

Pure. 8 s of 16 kHz audio, normalised to zero mean and unit variance, in windows of 25 ms every 10 ms: 80 mel bands of
800 frames. Bands are on Slaney's scale up to 8 kHz, each of unit area; powers are logarithms to base 10, at most 8
below the largest, shifted and scaled to about -1 to 1. Used by `speech/turn_model.py`. Sources: docs/voice.md.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from voicecall.audio import mulaw as codec

__all__ = ["BANDS", "FRAMES", "LONGEST", "log_mel", "upsampled"]

Floats = npt.NDArray[np.float32]

BANDS: Final = 80
FRAMES: Final = 800
LONGEST: Final = 64_000
"""The bytes of mu-law that are looked at, the newest: 8 s."""

_SAMPLES: Final = 2 * LONGEST
_WINDOW: Final = 400
_HOP: Final = 160
_HALF: Final = 12  # input samples on each side of an interpolated one
_LEAST_POWER: Final = 1e-10
_LEAST_VARIANCE: Final = 1e-7
_RANGE: Final = 8.0


def upsampled(mulaw: bytes) -> Floats:
    """Samples at 16 kHz between -1 and 1: those of the audio, and one between each two, without new frequencies."""
    samples = np.frombuffer(codec.decode(mulaw), dtype="<i2").astype(np.float32) / np.float32(32768)
    doubled = np.zeros(2 * len(samples), dtype=np.float32)
    if len(samples):
        doubled[::2] = samples
        doubled[1::2] = np.convolve(samples, _BETWEEN)[_HALF : _HALF + len(samples)]
    return doubled


def log_mel(samples: Floats) -> Floats:
    """Features of the newest 8 s at 16 kHz, of shape `BANDS`, `FRAMES`. Before a shorter piece stands silence."""
    newest = samples[-_SAMPLES:]
    wave = np.zeros(_SAMPLES, dtype=np.float32)
    wave[_SAMPLES - len(newest) :] = newest
    scale = 1 / math.sqrt(float(wave.var(dtype=np.float64)) + _LEAST_VARIANCE)
    padded = np.pad((wave - float(wave.mean(dtype=np.float64))) * scale, _WINDOW // 2, mode="reflect")
    frames = sliding_window_view(padded, _WINDOW)[::_HOP][:FRAMES]
    spectrum = np.fft.rfft(frames * _HANN)
    power = spectrum.real**2 + spectrum.imag**2
    # Few weights are not zero; and a matrix product would start threads, which wait where all cores are busy.
    bands = np.add.reduceat(power.take(_USED, axis=1) * _WEIGHTS, _STARTS, axis=1)
    logarithms = np.log10(np.maximum(bands, _LEAST_POWER)).T
    features: Floats = np.ascontiguousarray((np.maximum(logarithms, logarithms.max() - _RANGE) + 4.0) / 4.0)
    return features


def _between() -> Floats:
    """The taps that interpolate half-way between two samples: a windowed sinc."""
    distance = np.arange(-_HALF, _HALF) + 0.5
    taps = np.sinc(distance) * np.i0(6.0 * np.sqrt(1 - (distance / (_HALF + 0.5)) ** 2))
    normalised: Floats = (taps / taps.sum()).astype(np.float32)
    return normalised


def _mel_bands() -> Floats:
    """The weight of each frequency of a window in each band: triangles of unit area that overlap by half."""
    edges = _hertz(np.linspace(0.0, _mel(8000.0), BANDS + 2))
    frequencies = np.linspace(0.0, 8000.0, _WINDOW // 2 + 1)[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    bands: Floats = weights.astype(np.float32)
    return bands


def _mel(hertz: float) -> float:
    """Slaney's scale, above 1 kHz: 27 steps for each factor of 6.4."""
    return float(15.0 + 27.0 * np.log(hertz / 1000.0) / np.log(6.4))


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Below 1 kHz 3 mel are 200 Hz."""
    linear = mels * 200.0 / 3.0
    return np.where(mels < 15.0, linear, 1000.0 * np.exp(np.log(6.4) / 27.0 * (mels - 15.0)))


_BETWEEN: Final = _between()
_HANN: Final = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)
_MEL: Final = _mel_bands()
_BAND, _USED = np.nonzero(_MEL.T)  # band by band, the frequencies that count in it
_WEIGHTS: Final = _MEL.T[_BAND, _USED]
_STARTS: Final = np.searchsorted(_BAND, np.arange(BANDS))
