"""Telnyx's frames on the media socket (carriers 4.2): JSON text, base64 of the RTP payload, mu-law as we ask for it.

Sans-IO, and run fifty times a second for every call. Telnyx does not promise the order of frames: `chunk` says it, and
the ingress puts them right. What goes back names no stream, because a socket carries one.
"""

import re
from binascii import a2b_base64, b2a_base64
from typing import Any, Final

import orjson

from voicecall import ports
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.telnyx.client_state import read_client_state
from voicecall.carriers.telnyx.webhooks import is_call_control_id
from voicecall.errors import WebhookRejected
from voicecall.ports import (
    MediaAudio,
    MediaConnected,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
)

__all__ = ["Media"]

_MAX_PAYLOAD: Final = 5464  # base64 characters of 4,096 bytes: half a second; Telnyx sends 216 for 20 ms
_MAX_NAME: Final = 500
_MAX_NUMBER: Final = 10**10
_STREAM = re.compile(r"[A-Za-z0-9._-]{2,64}\Z")
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_KEYS = frozenset("0123456789*#ABCD")


class Media(ports.MediaCodec):
    """`MediaStarted.token` is always empty: the secret is in the socket's path (`carriers/stream_path.py`)."""

    def read(self, frame: str) -> MediaIn:
        try:
            message = orjson.loads(frame)
            if message["event"] == "media":
                return _audio(message)
            return _rare(message)
        # ValueError: not JSON, not base64. The others: a member is missing or is of another type.
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise WebhookRejected("media-malformed", status=400) from error

    def audio(self, stream: StreamId, mulaw: bytes) -> str:  # noqa: ARG002 - one stream per socket
        payload = b2a_base64(mulaw, newline=False).decode("ascii")
        return f'{{"event":"media","media":{{"payload":"{payload}"}}}}'

    def mark(self, stream: StreamId, name: str) -> str:  # noqa: ARG002 - one stream per socket
        return f'{{"event":"mark","mark":{{"name":{orjson.dumps(name).decode()}}}}}'

    def clear(self, stream: StreamId) -> str:  # noqa: ARG002 - one stream per socket
        return '{"event":"clear"}'


def _audio(message: dict[str, Any]) -> MediaIn:
    media = message["media"]
    stream, payload = _stream(message), media["payload"]
    if media.get("track", "inbound") != "inbound":
        return MediaUnknown()
    if not 4 <= len(payload) <= _MAX_PAYLOAD:
        raise ValueError("payload")
    return MediaAudio(stream=stream, chunk=_number(media.get("chunk", 0)), mulaw=a2b_base64(payload, strict_mode=True))


def _rare(message: dict[str, Any]) -> MediaIn:
    match message["event"]:
        case "start":
            return _started(message)
        case "connected":
            return MediaConnected()
        case "dtmf":
            return MediaKey(stream=_stream(message), digit=_key(message["dtmf"]["digit"]))
        case "mark":
            return MediaMark(stream=_stream(message), name=_text(message["mark"]["name"]))
        case "stop":
            return MediaStopped(stream=_stream(message))
        case str():  # also "error": Telnyx did not like a frame of ours, and goes on
            return MediaUnknown()
        case _:
            raise ValueError("event is not a word")


def _started(message: dict[str, Any]) -> MediaStarted:
    start = message["start"]
    form = start["media_format"]
    if (form["encoding"], form["sample_rate"], form.get("channels", 1)) != ("PCMU", 8000, 1):
        raise ValueError("audio that we did not ask for")
    leg = start["call_control_id"]
    if not is_call_control_id(leg):
        raise ValueError("call_control_id")
    state = read_client_state(start.get("client_state"))
    return MediaStarted(stream=_stream(message), leg=LegId(leg), call=state.call if state else "", token="")


def _stream(message: dict[str, Any]) -> StreamId:
    stream = message["stream_id"]
    if not _STREAM.match(stream):
        raise ValueError("stream_id")
    return StreamId(stream)


def _number(value: Any) -> int:
    """Telnyx counts in strings; a plain number is as good."""
    if type(value) is int and 0 <= value < _MAX_NUMBER:
        return value
    if not _NUMBER.match(value):
        raise ValueError("number")
    return int(value)


def _key(digit: str) -> str:
    if digit not in _KEYS:
        raise ValueError("digit")
    return digit


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_NAME:
        raise ValueError("text")
    return value
