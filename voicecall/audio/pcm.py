"""Resamples PCM from a voice's rate down to the telephone's, chunk by chunk.

Pure. Voices that send 16-, 22.05-, 24- or 48-kHz PCM go through a `Resampler` before mu-law. Knows samples only: no
clock, no frames, no services. The filter is a Kaiser-windowed sinc in polyphase form, 3 ms long: it removes what would
alias into the telephone band, and delays the audio by at most 1.5 ms.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["Resampler"]

_HALF_WIDTH: Final = 12  # of the filter, in output samples: 1.5 ms at 8 kHz
_BETA: Final = 6.0  # Kaiser: 63 dB of stop band, which mu-law's own noise (38 dB) covers
_UNITY_BITS: Final = 20


class Resampler:
    """16-bit little-endian mono PCM of `rate_in` Hz in, of `rate_out` Hz out. One per stream of audio.

    The output does not depend on how the input was cut into chunks, to the bit: coefficients are integers, and 36-bit
    sums are exact in float64 in whatever order they are added. n samples in give floor(n * rate_out / rate_in) out.
    """

    def __init__(self, rate_in: int, rate_out: int = 8000) -> None:
        if not 0 < rate_out <= rate_in:
            raise ValueError(f"cannot resample {rate_in} Hz to {rate_out} Hz: only downwards")
        common = math.gcd(rate_in, rate_out)
        self._up, self._down = rate_out // common, rate_in // common
        self._half = math.ceil(_HALF_WIDTH * rate_in / rate_out)
        self._phases = _phases(self._up, self._down, self._half)
        self._samples = np.zeros(self._half)  # those still needed; the first stands at index `_first`
        self._first = -self._half
        self._taken = 0  # input samples so far
        self._made = 0  # output samples so far
        self._odd = b""  # a network chunk may end inside a sample

    def feed(self, pcm16: bytes) -> bytes:
        """The output samples that this chunk completes. Chunks of any length, also an odd number of bytes."""
        data = self._odd + pcm16
        whole = len(data) & ~1
        self._odd = data[whole:]
        self._take(np.frombuffer(data[:whole], dtype="<i2"))
        if self._up == self._down:
            return data[:whole]
        return self._make(_ceil_div((self._taken - self._half) * self._up, self._down))

    def flush(self) -> bytes:
        """The rest, as if silence followed. Ends the stream: feed nothing more."""
        if self._up == self._down:
            return b""
        self._samples = np.append(self._samples, np.zeros(self._half))
        return self._make(self._taken * self._up // self._down)

    def _take(self, samples: npt.NDArray[np.int16]) -> None:
        self._taken += len(samples)
        if self._up != self._down:
            self._samples = np.concatenate((self._samples, samples))

    def _make(self, until: int) -> bytes:
        """Output samples up to number `until`; discards the input that is no longer needed."""
        if until <= self._made:
            return b""
        positions = np.arange(self._made, until) * self._down
        windows = sliding_window_view(self._samples, 2 * self._half + 1)
        starts = positions // self._up - self._half - self._first
        if self._up == 1:
            chosen = windows[starts[0] :: self._down][: len(starts)]  # a view: nothing is copied
            sums = np.einsum("ij,j->i", chosen, self._phases[0])
        else:
            sums = np.einsum("ij,ij->i", windows[starts], self._phases[positions % self._up])
        self._made = until
        keep_from = until * self._down // self._up - self._half
        self._samples = self._samples[keep_from - self._first :].copy()
        self._first = keep_from
        rounded = np.clip(np.floor(sums / (1 << _UNITY_BITS) + 0.5), -32768, 32767)
        made: npt.NDArray[np.int16] = rounded.astype("<i2")
        return made.tobytes()


@lru_cache(maxsize=8)
def _phases(up: int, down: int, half: int) -> npt.NDArray[np.float64]:
    """One row of integer taps per position between two input samples; each row sums to exactly 1 << _UNITY_BITS.

    The cut-off (-6 dB) is half the output rate: telephone speech below 3.4 kHz passes unchanged, and what aliases
    from the slope lands above it.
    """
    distance = np.arange(-half, half + 1)[None, :] - np.arange(up)[:, None] / up
    inside = np.clip(1 - (distance / (half + 1)) ** 2, 0, None)
    taps = np.sinc(distance * up / down) * np.i0(_BETA * np.sqrt(inside))
    rows: npt.NDArray[np.float64] = np.rint(taps / taps.sum(axis=1, keepdims=True) * (1 << _UNITY_BITS))
    rows[:, half] += (1 << _UNITY_BITS) - rows.sum(axis=1)
    return rows


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
