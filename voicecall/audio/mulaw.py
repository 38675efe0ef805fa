"""G.711 mu-law: one byte per sample, 8,000 samples a second on a telephone line.

Pure. Voices whose service sends PCM encode with this; the voice activity detector decodes with it. Does not know rates,
frames or streams. Both directions are one table look-up per sample (ADR 0004).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["SILENCE", "decode", "encode", "power"]

SILENCE: Final = 0xFF
"""The code of positive zero."""

_BIAS: Final = 132  # added to the magnitude so that every segment starts at a power of two
_CLIP: Final = 32635  # the largest magnitude that does not overflow with the bias


def encode(pcm16: bytes) -> bytes:
    """Mu-law of 16-bit little-endian mono PCM. Raises ValueError for an odd number of bytes."""
    encoded: npt.NDArray[np.uint8] = _ENCODED[np.frombuffer(pcm16, dtype="<u2")]
    return encoded.tobytes()


def decode(mulaw: bytes) -> bytes:
    """16-bit little-endian mono PCM of mu-law. `encode(decode(x)) == x`, except that negative zero (0x7F) is 0xFF."""
    decoded: npt.NDArray[np.int16] = _DECODED[np.frombuffer(mulaw, dtype=np.uint8)]
    return decoded.tobytes()


def power(mulaw: bytes) -> float:
    """Mean square of the samples: 0 for silence, about 5e8 for the loudest tone. 0 when there are none."""
    return float(_SQUARES[np.frombuffer(mulaw, dtype=np.uint8)].mean()) if mulaw else 0.0


def _encode_table() -> npt.NDArray[np.uint8]:
    """The code of each 16-bit pattern, read as unsigned."""
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum(np.abs(samples), _CLIP) + _BIAS
    segment = np.floor(np.log2(biased)).astype(np.int32) - 7
    step = (biased >> (segment + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    table: npt.NDArray[np.uint8] = (~(sign | (segment << 4) | step) & 0xFF).astype(np.uint8)
    return table


def _decode_table() -> npt.NDArray[np.int16]:
    """The sample of each code."""
    bits = ~np.arange(256) & 0xFF
    magnitude = ((((bits & 0x0F) << 3) + _BIAS) << ((bits & 0x70) >> 4)) - _BIAS
    return np.where(bits & 0x80, -magnitude, magnitude).astype("<i2")


_ENCODED: Final = _encode_table()
_DECODED: Final = _decode_table()
_SQUARES: Final = _DECODED.astype(np.float64) ** 2
