"""The mock carrier's frames on the media socket: flat JSON, base64 mu-law.

Sans-IO. From the carrier: `start audio key mark stop`; to it: `audio mark clear`. Every frame but `start`'s own
facts is one level deep, so that a shell script can speak it.
"""

import re
from binascii import a2b_base64, b2a_base64
from typing import Any, Final

import orjson

from voicecall import ports
from voicecall.call.ids import LegId, StreamId
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaAudio, MediaIn, MediaKey, MediaMark, MediaStarted, MediaStopped, MediaUnknown

__all__ = ["Media"]

_MAX_PAYLOAD: Final = 5464  # base64 characters of 4,096 bytes
_MAX_TEXT: Final = 500
_STREAM = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_KEYS = frozenset("0123456789*#ABCD")


class Media(ports.MediaCodec):
    def read(self, frame: str) -> MediaIn:
        try:
            return _read(orjson.loads(frame))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise WebhookRejected("media-malformed", status=400) from error

    def audio(self, stream: StreamId, mulaw: bytes) -> str:
        payload = b2a_base64(mulaw, newline=False).decode("ascii")
        return f'{{"event":"audio","stream":"{stream}","payload":"{payload}"}}'

    def mark(self, stream: StreamId, name: str) -> str:
        return f'{{"event":"mark","stream":"{stream}","name":{orjson.dumps(name).decode()}}}'

    def clear(self, stream: StreamId) -> str:
        return f'{{"event":"clear","stream":"{stream}"}}'


def _read(message: dict[str, Any]) -> MediaIn:
    stream = StreamId(message["stream"])
    if not _STREAM.match(stream):
        raise ValueError("stream")
    match message["event"]:
        case "audio":
            return MediaAudio(stream=stream, chunk=_count(message["n"]), mulaw=_mulaw(message["payload"]))
        case "start":
            leg, call = _text(message["leg"]), _text(message.get("call", ""))
            return MediaStarted(stream=stream, leg=LegId(leg), call=call, token=_text(message.get("token", "")))
        case "key":
            return MediaKey(stream=stream, digit=_key(message["digit"]))
        case "mark":
            return MediaMark(stream=stream, name=_text(message["name"]))
        case "stop":
            return MediaStopped(stream=stream)
        case str():
            return MediaUnknown()
        case _:
            raise ValueError("event is not a word")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 < value < 10**10:
        raise ValueError("n")
    return value


def _mulaw(payload: str) -> bytes:
    if not 4 <= len(payload) <= _MAX_PAYLOAD:
        raise ValueError("payload")
    return a2b_base64(payload, strict_mode=True)


def _key(digit: str) -> str:
    if digit not in _KEYS:
        raise ValueError("digit")
    return digit


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise ValueError("text")
    return value
