"""Audio that is not what was requested: a file in place of samples, another rate, noise, a text.

Used by the simulators of speech synthesis, each of which sends it in its own way. Pure.
"""

import random
import struct
from typing import Literal

from simulators.tones import encode_pcm16

__all__ = ["Disguise", "disguised", "wav_of"]

Disguise = Literal["wav", "mp3", "rate", "noise", "text", "endless"]
"""`rate`: PCM at 16 kHz, and labelled so; the others have no label that says more than the service's own. `endless`: a
quarter of an hour and more of silence in mu-law, a faint tone as PCM."""

_RATE = 16_000


def disguised(kind: Disguise, text: str) -> tuple[bytes, str]:
    """The body, and the content type that belongs to it; "" for the one of what was requested."""
    match kind:
        case "wav":
            return wav_of(encode_pcm16(text, _RATE), _RATE), ""
        case "rate":
            return encode_pcm16(text, _RATE), f"audio/pcm;rate={_RATE}"
        case "mp3":
            return b"".join(_mpeg_frame(number) for number in range(20)), ""
        case "noise":
            return random.Random(7).randbytes(16_000), ""
        case "endless":
            return b"\xff\x7f" * 4_000_000, ""
        case "text":
            return b'{"error": {"message": "please try again"}}', ""


def wav_of(samples: bytes, rate: int) -> bytes:
    """A WAV file of 16-bit mono samples."""
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return head + struct.pack("<4sI", b"data", len(samples)) + samples


def _mpeg_frame(number: int) -> bytes:
    """One frame of MPEG 1, layer III, 128 kbit/s at 44.1 kHz, without an ID3 tag before it."""
    return b"\xff\xfb\x90\x64" + random.Random(number).randbytes(413)
