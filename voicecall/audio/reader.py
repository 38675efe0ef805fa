"""Reads the body of an answer that should be speech, chunk by chunk, and returns mu-law at 8 kHz.

Pure. Used by every voice that gets its audio over HTTP. What the body is, is decided before the first sample of it is
returned, however small the chunks are: by its own header, else by the content type, else it is what was requested.
Anything that cannot be converted raises UnreadableAudio: played as samples it would be loud noise.
"""

from collections.abc import Mapping
from typing import Final

from voicecall.audio.containers import compressed_name, is_text, read_wav, starts_wav
from voicecall.audio.formats import AudioFormat, Converter, Encoding, UnreadableAudio
from voicecall.audio.layout import SAMPLES, is_noise, is_prose, stored

__all__ = ["AudioReader"]

_HEAD_BYTES: Final = 64  # enough for every mark but a second MPEG frame
_LONGEST_HEAD: Final = 65_536 + 64
_LONGEST_SILENCE: Final = 96_000  # bytes of zeros at the beginning, which do not show a byte order

_UNLABELLED: Final = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "audio/raw", "audio/x-raw", "audio/*", "*/*"}
)
_MULAW: Final = frozenset({"audio/basic", "audio/pcmu", "audio/mulaw", "audio/x-mulaw", "audio/ulaw", "audio/x-ulaw"})
_ALAW: Final = frozenset({"audio/pcma", "audio/alaw", "audio/x-alaw", "audio/x-alaw-basic"})
_PCM: Final = frozenset({"audio/pcm", "audio/x-pcm"})
_L16: Final = frozenset({"audio/l16", "audio/x-l16"})
_PCM_BITS: Final = {"8": Encoding.PCM_U8, "16": Encoding.PCM_S16, "24": Encoding.PCM_S24, "32": Encoding.PCM_S32}


class AudioReader:
    """Of one body. `content_type`: the header of the answer, "" for none; `requested`: the format that was asked for.

    Raises UnreadableAudio, at once for a content type that is no audio.
    """

    def __init__(self, content_type: str, requested: AudioFormat) -> None:
        self._kind, parameters = _parsed(content_type)
        if not self._kind.startswith("audio/") and self._kind not in _UNLABELLED:
            raise UnreadableAudio(f"{self._kind}, not audio")
        self._raw = _raw_format(self._kind, parameters, requested)
        self._held = b""  # until it is decided what the body is
        self._converter: Converter | None = None
        self._left: int | None = None  # bytes of samples that a header announced and that have not come yet

    def feed(self, chunk: bytes) -> bytes:
        """The mu-law that this chunk completes, b"" while it is not decided what the body is."""
        return self._read(chunk, complete=False)

    def flush(self) -> bytes:
        """The rest, at the end of the body. Feed nothing more."""
        made = self._read(b"", complete=True)
        return made + self._converter.flush() if self._converter is not None else made

    def _read(self, chunk: bytes, *, complete: bool) -> bytes:
        if self._converter is None:
            self._held += chunk
            if not self._held:
                return b""
            self._converter = self._decide(complete=complete)
            if self._converter is None:
                return b""
            chunk, self._held = self._held, b""
        if self._left is None:
            return self._converter.feed(chunk)
        samples, rest = chunk[: self._left], chunk[self._left :]
        self._left -= len(samples)
        made = self._converter.feed(samples)
        return made + self._behind(rest, complete=complete) if rest else made

    def _behind(self, rest: bytes, *, complete: bool) -> bytes:
        """What follows the samples of a WAV file: another one, of a service that sends one a sentence, or no sound."""
        self._held += rest
        if not b"RIFF".startswith(self._held[:4]):
            self._held = b""
            return b""
        if len(self._held) < _HEAD_BYTES:
            return b""
        made = self._converter.flush() if self._converter is not None else b""
        self._converter = self._left = None
        return made + self._read(b"", complete=complete)

    def _decide(self, *, complete: bool) -> Converter | None:
        """How to convert the body; None when more of it is needed. Takes a header out of what is held."""
        if len(self._held) < _HEAD_BYTES and not complete:
            return None
        return self._wav(complete=complete) if starts_wav(self._held) else self._samples(complete=complete)

    def _wav(self, *, complete: bool) -> Converter | None:
        header = read_wav(self._held)
        if header is None:
            if complete or len(self._held) > _LONGEST_HEAD:
                raise UnreadableAudio("a WAV file without samples")
            return None
        self._held, self._left = self._held[header.start :], header.length
        return Converter(header.format)

    def _samples(self, *, complete: bool) -> Converter | None:
        head = self._held
        name = compressed_name(head, complete=complete)
        if name is None:
            return None
        if name:
            raise UnreadableAudio(f"{name}, which is not decoded here")
        if is_text(head, complete=complete):
            raise UnreadableAudio("text, not audio")
        if self._raw is None:
            raise UnreadableAudio(f"{self._kind}, which is not decoded here")
        if is_prose(head, complete=complete):
            raise UnreadableAudio("text, not audio")
        sample = self._raw.encoding.sample_bytes * self._raw.channels
        silent = (len(head) - len(head.lstrip(b"\0"))) // sample * sample if self._kind in _L16 else 0
        if len(head) < min(silent, _LONGEST_SILENCE) + SAMPLES * sample and not complete:
            return None
        source = stored(head[silent:], self._raw)
        converter = Converter(source)
        if is_noise(head[: len(head) - len(head) % (source.encoding.sample_bytes * source.channels)], source):
            raise UnreadableAudio("noise, not speech")
        return converter


def _parsed(content_type: str) -> tuple[str, Mapping[str, str]]:
    kind, *rest = content_type.lower().split(";")
    pairs = (part.partition("=") for part in rest)
    return kind.strip(), {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _raw_format(kind: str, parameters: Mapping[str, str], requested: AudioFormat) -> AudioFormat | None:
    """How samples without a header are stored; None when this content type is that of a file."""
    encoding: Encoding | None = requested.encoding
    rate = requested.rate
    if kind in _MULAW or kind in _ALAW:
        encoding, rate = (Encoding.MULAW if kind in _MULAW else Encoding.ALAW), 8000
    elif kind in _L16:
        # RFC 2586: big-endian. Many services send little-endian, which the samples show.
        little = kind == "audio/x-l16" or parameters.get("codec") == "pcm"
        encoding = Encoding.PCM_S16 if little else Encoding.PCM_S16_BE
    elif kind in _PCM:
        encoding = _PCM_BITS.get(parameters.get("bits", "16"))
        if encoding is Encoding.PCM_S16 and parameters.get("endian") == "big":
            encoding = Encoding.PCM_S16_BE
    elif kind not in _UNLABELLED:
        return None
    rate_text = next((parameters[name] for name in ("rate", "samplerate", "sample_rate") if name in parameters), "")
    channels = parameters.get("channels", "")
    if encoding is None:
        return None
    return AudioFormat(
        encoding=encoding,
        rate=int(rate_text) if rate_text.isdecimal() else rate,
        channels=int(channels) if channels.isdecimal() else requested.channels,
    )
