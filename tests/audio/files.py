"""Sound files for tests, made here: WAV of any kind, MP3 without a tag, and bytes without any order."""

import random
import struct
from typing import Final

__all__ = ["MP3", "extensible", "randbytes", "wav"]


def wav(
    samples: bytes,
    *,
    rate: int = 24_000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    size: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file. `size`: what its header says instead of the truth; `before`: chunks ahead of the samples."""
    align = channels * bits // 8
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * align, align, bits)
    data = struct.pack("<4sI", b"data", len(samples) if size is None else size) + samples
    body = b"WAVE" + fmt + before + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def extensible(samples: bytes, *, kind: int, bits: int) -> bytes:
    """A WAV file at 24 kHz whose format stands in an extension of its header, behind a chunk of another sort."""
    whole, align = wav(samples, bits=bits), bits // 8
    fmt = struct.pack("<4sIHHIIHHHHIH", b"fmt ", 40, 0xFFFE, 1, 24_000, 24_000 * align, align, bits, 22, bits, 4, kind)
    return whole[:12] + b"LIST\x04\x00\x00\x00INFO" + fmt + bytes(14) + whole[36:]


def randbytes(count: int) -> bytes:
    """As compressed audio looks: no byte follows from the ones before it."""
    return random.Random(7).randbytes(count)


def _frame(number: int) -> bytes:
    """One frame of MPEG 1, layer III, 128 kbit/s at 44.1 kHz: 417 bytes."""
    return b"\xff\xfb\x90\x64" + random.Random(number).randbytes(413)


MP3: Final = b"".join(_frame(number) for number in range(12))
"""As a service sends it that streams MP3: it begins with a frame, without ID3."""
