"""G.711 A-law, as telephone networks outside North America and Japan carry it: converted to mu-law.

Pure. Used where a carrier streams the caller's audio in A-law. One table look-up per sample.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from voicecall.audio import mulaw

__all__ = ["to_mulaw"]


def to_mulaw(alaw: bytes) -> bytes:
    """The same samples in mu-law."""
    return alaw.translate(_MULAW)


def _samples() -> npt.NDArray[np.int16]:
    """The 16-bit sample of each code. Every second bit is inverted on the line; a set sign bit is positive."""
    bits = np.arange(256) ^ 0x55
    segment, step = (bits & 0x70) >> 4, ((bits & 0x0F) << 4) + 8
    magnitude = np.where(segment, (step + 0x100) << np.maximum(segment - 1, 0), step)
    return np.where(bits & 0x80, magnitude, -magnitude).astype("<i2")


_MULAW: Final = mulaw.encode(_samples().tobytes())
