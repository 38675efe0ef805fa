"""The codecs of a leg: which one is negotiated, and what a media stream carries (Telnyx, "preferred_codecs"). Pure.

The simulator hears and speaks mu-law. A-law is converted; frames of other codecs hold bytes that only look like audio.
"""

from typing import Final

from simulators.tones import pcm16_from_mulaw

__all__ = ["KNOWN", "carried", "negotiated", "sample_rate"]

KNOWN: Final = ("G722", "PCMU", "PCMA", "G729", "OPUS", "AMR-WB", "VP8", "H264")
_RATES: Final = {"G722": 8000, "AMR-WB": 16_000, "OPUS": 48_000}  # G722 is announced with 8000 in RTP
_ENDS: Final = (0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF)  # of the eight segments, 13 bits


def negotiated(preferred: tuple[str, ...], phone: tuple[str, ...]) -> str:
    """The first preferred codec that the phone speaks; the phone's first, when it speaks none of them."""
    return next((name for name in preferred if name in phone), phone[0])


def sample_rate(codec: str) -> int:
    return _RATES.get(codec, 8000)


def carried(codec: str, mulaw: bytes) -> bytes:
    """What the stream of a leg in this codec carries of 20 ms."""
    if codec == "PCMU":
        return mulaw
    return mulaw.translate(_ALAW) if codec == "PCMA" else b"\x5a" * len(mulaw)


def _alaw(sample: int) -> int:
    """G.711 A-law of one 16-bit sample, as the search for its segment."""
    sign, size = (0xD5, sample >> 3) if sample >= 0 else (0x55, -(sample >> 3) - 1)
    segment = next((number for number, end in enumerate(_ENDS) if size <= end), 8)
    if segment == 8:
        return 0x7F ^ sign
    step = (size >> (1 if segment < 2 else segment)) & 0x0F
    return (segment << 4 | step) ^ sign


_SAMPLES: Final = memoryview(pcm16_from_mulaw(bytes(range(256)))).cast("h")
_ALAW: Final = bytes(_alaw(sample) for sample in _SAMPLES)
