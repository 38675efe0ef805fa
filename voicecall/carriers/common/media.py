"""What every carrier's media frames have in common: strict parsing, audio, stream ids, numbers, keys, text.

Pure; used by the media codecs, fifty times a second for every call. The checks raise ValueError, LookupError, TypeError
or AttributeError; `read_frame` turns these into "media-malformed". Knows no carrier's spelling.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from voicecall.call.ids import StreamId
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaIn

__all__ = [
    "base64_of",
    "encoding",
    "is_caller_audio",
    "key",
    "mulaw",
    "number",
    "quoted",
    "read_frame",
    "stream_id",
    "text",
]

_MAX_PAYLOAD: Final = 5464  # base64 characters of 4,096 bytes: half a second; carriers send 216 for 20 ms
_MAX_TEXT: Final = 500
_MAX_NUMBER: Final = 10**10
# Only these characters are accepted, so that a stream's id can be written back without escaping.
_STREAM = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_ENCODING = re.compile(r"[A-Za-z0-9./_-]{1,32}\Z")
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_KEYS = frozenset("0123456789*#ABCD")


def read_frame(frame: str, parse: Callable[[dict[str, Any]], MediaIn]) -> MediaIn:
    """The frame's meaning. Raises WebhookRejected("media-malformed", 400) for whatever `parse` cannot read."""
    try:
        return parse(orjson.loads(frame))
    # ValueError: not JSON, not base64, a value out of range. The others: a member is missing or of another type.
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WebhookRejected("media-malformed", status=400) from error


def is_caller_audio(media: Mapping[str, Any]) -> bool:
    """Whether a media frame is the caller's audio, and not a copy of what we sent."""
    return bool(media.get("track", "inbound") == "inbound")


def encoding(name: str, rate: int, channels: int, *, mulaw: str) -> str:
    """The audio format for `MediaStarted`: "PCMU" for mu-law, which this carrier names `mulaw`, at 8 kHz in mono."""
    if not _ENCODING.match(name) or not 0 < rate < _MAX_NUMBER or not 0 < channels < _MAX_NUMBER:
        raise ValueError("encoding")
    name = "PCMU" if name.lower() == mulaw.lower() else name
    return name if (rate, channels) == (8000, 1) else f"{name}/{rate}/{channels}"


def mulaw(payload: str) -> bytes:
    """The audio. Raises ValueError for everything but padded base64 of at least one and at most 4,096 bytes."""
    if not 4 <= len(payload) <= _MAX_PAYLOAD:
        raise ValueError("payload")
    return a2b_base64(payload, strict_mode=True)


def base64_of(mulaw: bytes) -> str:
    return b2a_base64(mulaw, newline=False).decode("ascii")


def quoted(name: str) -> str:
    """The text as a JSON string."""
    return orjson.dumps(name).decode()


def stream_id(name: str) -> StreamId:
    if not _STREAM.match(name):
        raise ValueError("stream")
    return StreamId(name)


def number(value: Any) -> int:
    """A count from 0, below 10^10. Carriers write it as a number or as text in ASCII digits."""
    if type(value) is int and 0 <= value < _MAX_NUMBER:
        return value
    if not _NUMBER.match(value):
        raise ValueError("number")
    return int(value)


def key(digit: str) -> str:
    """One key of a telephone."""
    if digit not in _KEYS:
        raise ValueError("digit")
    return digit


def text(value: Any) -> str:
    """A call id, token or mark that the carrier sends back to us: at most 500 characters."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise ValueError("text")
    return value
