"""Checks of what every carrier's media frames hold: audio, a stream's name, numbers, keys, text.

The media codecs read with them, fifty times a second for every call. Pure; each raises ValueError, or TypeError for
what is of another kind, and the codec makes "malformed" of both. Knows no carrier's spelling.
"""

import re
from binascii import a2b_base64
from typing import Any, Final

from voicecall.call.ids import StreamId

__all__ = ["key", "mulaw", "number", "stream_id", "text"]

_MAX_PAYLOAD: Final = 5464  # base64 characters of 4,096 bytes: half a second; carriers send 216 for 20 ms
_MAX_TEXT: Final = 500
_MAX_NUMBER: Final = 10**10
# Only these characters get in, so that a stream's name can be written back without escaping.
_STREAM = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_KEYS = frozenset("0123456789*#ABCD")


def mulaw(payload: str) -> bytes:
    """The audio. Strict: everything that is not the padded base64 of whole bytes is refused, and so is nothing."""
    if not 4 <= len(payload) <= _MAX_PAYLOAD:
        raise ValueError("payload")
    return a2b_base64(payload, strict_mode=True)


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
    """A name or secret of ours that comes back: at most 500 characters."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise ValueError("text")
    return value
