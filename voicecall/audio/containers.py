"""What the first bytes of an answer say it is: a WAV file with its header, another file, a text, or none of these.

Pure. Used by `answer`. Decodes no samples; knows no content type.
"""

import struct
from dataclasses import dataclass
from typing import Final

from voicecall.audio.formats import AudioFormat, Encoding, UnreadableAudio

__all__ = ["WavHeader", "compressed_name", "is_text", "read_wav", "starts_wav"]

_LONGEST_HEADER: Final = 65_536
_UNKNOWN_SIZES: Final = frozenset({0, 0x7FFFFFFF, 0xFFFFFFFF})  # a file that is streamed is longer than it could say
_MAGIC: Final = {
    b"ID3": "MP3",
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"FORM": "AIFF",
    b"RIFX": "big-endian WAV",
    b"RF64": "RF64",
    b".snd": "AU",
    b"#!AM": "AMR",
    b"caff": "CAF",
    b"\x1aE\xdf\xa3": "WebM",
    b"\x1f\x8b\x08": "gzip",
    b"PK\x03\x04": "zip",
}
_MARKUP: Final = (b'{"', b"{\n", b"{\r", b"{ ", b"[{", b"<!", b"<?", b"<h", b"<H", b"event:", b"data:")
_PRINTABLE: Final = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}
_TEXT_BYTES: Final = 24

# MPEG audio, layer III: kbit/s by index for version 1 and for 2 and 2.5, Hz by version and index.
_MPEG_KBITS: Final = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MPEG_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WavHeader:
    """`start`: where the samples begin; `length`: how many bytes of them there are, None until the end."""

    format: AudioFormat
    start: int
    length: int | None


def starts_wav(head: bytes) -> bool:
    """Also as RF64, the form of files above 4 GB, which some programs write when they do not know the size."""
    return head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"


def read_wav(head: bytes) -> WavHeader | None:
    """The header at the beginning of a WAV file; None when more bytes are needed. Raises UnreadableAudio."""
    at, source, align = 12, None, 0
    while len(head) >= at + 8:
        name, size = struct.unpack_from("<4sI", head, at)
        if name == b"data":
            if source is None:
                raise UnreadableAudio("a WAV file without a format")
            return WavHeader(format=source, start=at + 8, length=None if size in _UNKNOWN_SIZES else size)
        if name == b"fmt ":
            if len(head) < at + 8 + min(size, 40):
                return None
            source, align = _wav_format(head[at + 8 : at + 8 + min(size, 40)])
            if align != source.encoding.sample_bytes * source.channels:
                raise UnreadableAudio("a WAV file with padded samples")
        at += 8 + size + size % 2
        if at > _LONGEST_HEADER:
            raise UnreadableAudio("a WAV file without samples")
    return None


_WAV_ENCODINGS: Final = {
    (1, 8): Encoding.PCM_U8,
    (1, 16): Encoding.PCM_S16,
    (1, 24): Encoding.PCM_S24,
    (1, 32): Encoding.PCM_S32,
    (3, 32): Encoding.FLOAT_32,
    (3, 64): Encoding.FLOAT_64,
    (6, 8): Encoding.ALAW,
    (7, 8): Encoding.MULAW,
}
_EXTENSIBLE: Final = 0xFFFE


def _wav_format(chunk: bytes) -> tuple[AudioFormat, int]:
    """The format, and the bytes of one sample of all channels."""
    if len(chunk) < 16:
        raise UnreadableAudio("a WAV file with a broken header")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")
    encoding = _WAV_ENCODINGS.get((tag, bits))
    if encoding is None:
        raise UnreadableAudio(f"a WAV file of kind {tag} with {bits} bits")
    return AudioFormat(encoding=encoding, rate=rate, channels=channels), align


def compressed_name(head: bytes, *, complete: bool) -> str | None:
    """The name of the file format of `head`; "" when it has none that is known, None when more bytes are needed.

    `complete`: nothing follows.
    """
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "MP4"
    size = _mpeg_frame(head) or _adts_frame(head)
    if not size:
        return "" if complete or len(head) >= 12 else None
    # Raw samples may look like one such frame, but not like two in a row.
    if len(head) < size + 4:
        return "MPEG audio" if complete else None
    follows = head[size:]
    return "MPEG audio" if follows[0] == 0xFF and (_mpeg_frame(follows) or _adts_frame(follows[:7])) else ""


def _mpeg_frame(head: bytes) -> int:
    """Bytes of the layer III frame that begins here; 0 when none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    kbits = _MPEG_KBITS[0 if version == 3 else 1][bitrate]
    return (144 if version == 3 else 72) * kbits * 1000 // _MPEG_RATES[version][rate] + (head[2] >> 1 & 1)


def _adts_frame(head: bytes) -> int:
    """Bytes of the AAC frame (ADTS) that begins here; 0 when none does."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0


def is_text(head: bytes, *, complete: bool) -> bool:
    """Whether it begins as JSON, XML, HTML or server-sent events do."""
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not begins.startswith(_MARKUP) or (len(begins) < _TEXT_BYTES and not complete):
        return False
    return all(byte in _PRINTABLE for byte in begins[:_TEXT_BYTES])
