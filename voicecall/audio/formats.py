"""Uncompressed audio of any common shape, converted to the telephone's: mu-law, 8 kHz, one channel.

Pure. `AudioFormat` says how samples are stored; a `Converter` reads them chunk by chunk, whatever the size of the
chunks. Knows no container, no content type and no service.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from voicecall.audio import mulaw
from voicecall.audio.pcm import Resampler

__all__ = ["MULAW_8K", "AudioFormat", "Converter", "Encoding", "UnreadableAudio", "mono"]


class UnreadableAudio(ValueError):
    """This is no audio that can be converted. The message says what it is instead; it quotes nothing of it."""


class Encoding(StrEnum):
    """How one sample is stored; little-endian unless the name says otherwise."""

    MULAW = "mu-law"
    ALAW = "A-law"
    PCM_U8 = "8-bit PCM"
    PCM_S16 = "16-bit PCM"
    PCM_S16_BE = "16-bit big-endian PCM"
    PCM_S24 = "24-bit PCM"
    PCM_S32 = "32-bit PCM"
    FLOAT_32 = "32-bit float"
    FLOAT_64 = "64-bit float"

    @property
    def sample_bytes(self) -> int:
        return _SAMPLE_BYTES[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """`rate`: samples a second of each channel."""

    encoding: Encoding
    rate: int
    channels: int = 1


MULAW_8K: Final = AudioFormat(encoding=Encoding.MULAW, rate=8000)
"""The telephone's own format."""

_RATES: Final = frozenset({8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000})
_MOST_CHANNELS: Final = 8
_SAMPLE_BYTES: Final[Mapping[Encoding, int]] = {
    Encoding.MULAW: 1,
    Encoding.ALAW: 1,
    Encoding.PCM_U8: 1,
    Encoding.PCM_S16: 2,
    Encoding.PCM_S16_BE: 2,
    Encoding.PCM_S24: 3,
    Encoding.PCM_S32: 4,
    Encoding.FLOAT_32: 4,
    Encoding.FLOAT_64: 8,
}


class Converter:
    """Of one stream of audio. Raises UnreadableAudio for a rate or number of channels that speech does not have."""

    def __init__(self, source: AudioFormat) -> None:
        if source.rate not in _RATES:
            raise UnreadableAudio(f"audio at {source.rate} Hz")
        if not 1 <= source.channels <= _MOST_CHANNELS:
            raise UnreadableAudio(f"audio of {source.channels} channels")
        self._source = source
        self._frame = source.encoding.sample_bytes * source.channels
        self._rest = b""  # a chunk may end inside a sample
        self._resampler = None if source.rate == MULAW_8K.rate else Resampler(source.rate)

    def feed(self, chunk: bytes) -> bytes:
        """The mu-law that this chunk completes."""
        if self._source == MULAW_8K:
            return chunk
        data = self._rest + chunk
        whole = len(data) - len(data) % self._frame
        self._rest = data[whole:]
        pcm16 = mono(data[:whole], self._source)
        return mulaw.encode(pcm16 if self._resampler is None else self._resampler.feed(pcm16))

    def flush(self) -> bytes:
        """The rest. Feed nothing more."""
        return b"" if self._resampler is None else mulaw.encode(self._resampler.flush())


def mono(data: bytes, source: AudioFormat) -> bytes:
    """16-bit little-endian PCM of whole samples; several channels become their mean."""
    samples = _READ[source.encoding](data)
    if source.channels > 1:
        samples = samples.reshape(-1, source.channels).mean(axis=1)
    made: npt.NDArray[np.int16] = np.clip(np.rint(samples), -32768, 32767).astype("<i2")
    return made.tobytes()


_Samples = npt.NDArray[Any]


def _integers(kind: str, scale: float = 1.0, offset: int = 0) -> Callable[[bytes], _Samples]:
    def read(data: bytes) -> _Samples:
        return (np.frombuffer(data, dtype=kind).astype(np.float64) - offset) * scale

    return read


def _floats(kind: str) -> Callable[[bytes], _Samples]:
    def read(data: bytes) -> _Samples:
        return np.nan_to_num(np.frombuffer(data, dtype=kind).astype(np.float64), posinf=1.0, neginf=-1.0) * 32767

    return read


def _three_bytes(data: bytes) -> _Samples:
    """The upper two of the three bytes: more than a telephone carries."""
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)[:, 1:].copy().view("<i2").ravel()


def _alaw_table() -> _Samples:
    """The sample of each A-law code (G.711)."""
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, (code & 15) << 4
    magnitude = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude)


_ALAW: Final = _alaw_table()
_READ: Final[Mapping[Encoding, Callable[[bytes], _Samples]]] = {
    Encoding.MULAW: lambda data: np.frombuffer(mulaw.decode(data), dtype="<i2"),
    Encoding.ALAW: lambda data: _ALAW[np.frombuffer(data, dtype=np.uint8)],
    Encoding.PCM_U8: _integers("u1", scale=256.0, offset=128),
    Encoding.PCM_S16: lambda data: np.frombuffer(data, dtype="<i2"),
    Encoding.PCM_S16_BE: lambda data: np.frombuffer(data, dtype=">i2"),
    Encoding.PCM_S24: _three_bytes,
    Encoding.PCM_S32: _integers("<i4", scale=1 / 65536),
    Encoding.FLOAT_32: _floats("<f4"),
    Encoding.FLOAT_64: _floats("<f8"),
}
