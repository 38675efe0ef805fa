"""Twilio's frames on the media socket: JSON text, base64 mu-law, as in "Media Streams: WebSocket Messages".

Sans-IO. `_Plain` is the frame that comes fifty times a second for every call; `read` knows all of them.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from voicecall import ports
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.common import relay
from voicecall.carriers.common.media import (
    base64_of,
    encoding,
    is_caller_audio,
    key,
    mulaw,
    quoted,
    read_frame,
    stream_id,
    text,
)
from voicecall.carriers.common.plain_audio import Count, PlainMedia, plain_audio, plain_number
from voicecall.carriers.twilio.webhooks import is_call_sid
from voicecall.ports import (
    MediaAudio,
    MediaConnected,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
    PlainAudio,
)

__all__ = ["Media"]

_MAX_DIGITS: Final = 10
_MU_LAW: Final = "audio/x-mulaw"
_FORMAT: Final = {"encoding": _MU_LAW, "sampleRate": 8000, "channels": 1}


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event: Literal["media"]
    media: PlainMedia
    stream: str = msgspec.field(name="streamSid")
    sequence: Count = msgspec.field(name="sequenceNumber", default=1)


class Media(ports.MediaCodec):
    """Frames of one account's calls."""

    def __init__(self, account_sid: str) -> None:
        self._account_sid = account_sid

    def read(self, frame: str) -> MediaIn:
        return read_frame(frame, self._read)

    def plain_reader(self, start: MediaStarted) -> Callable[[bytes | bytearray], PlainAudio | None]:
        return plain_audio(_Plain, start.stream, _numbered)

    def audio(self, stream: StreamId, mulaw: bytes) -> str:
        return f'{{"event":"media","streamSid":"{stream}","media":{{"payload":"{base64_of(mulaw)}"}}}}'

    def mark(self, stream: StreamId, name: str) -> str:
        return f'{{"event":"mark","streamSid":"{stream}","mark":{{"name":{quoted(name)}}}}}'

    def clear(self, stream: StreamId) -> str:
        return f'{{"event":"clear","streamSid":"{stream}"}}'

    def _read(self, message: dict[str, Any]) -> MediaIn:
        if relay.is_relay(message):
            return self._set_up(message) if message["type"] == "setup" else relay.read(message)
        return _audio(message) if message["event"] == "media" else self._control(message)

    def _set_up(self, message: dict[str, Any]) -> MediaIn:
        if message.get("accountSid", self._account_sid) != self._account_sid or not is_call_sid(message["callSid"]):
            raise ValueError("another account's setup, or callSid")
        return relay.started(message, LegId(message["callSid"]))

    def _control(self, message: dict[str, Any]) -> MediaIn:
        match message["event"]:
            case "start":
                return self._started(message)
            case "connected":
                return MediaConnected()
            case "dtmf":
                return MediaKey(stream=_stream(message), digit=key(message["dtmf"]["digit"]))
            case "mark":
                return MediaMark(stream=_stream(message), name=text(message["mark"]["name"]))
            case "stop":
                return MediaStopped(stream=_stream(message))
            case str():
                return MediaUnknown()
            case _:
                raise ValueError("event is not a string")

    def _started(self, message: dict[str, Any]) -> MediaStarted:
        stream, start = _stream(message), message["start"]
        form = start.get("mediaFormat", _FORMAT)
        if start.get("streamSid", stream) != stream or start.get("accountSid", self._account_sid) != self._account_sid:
            raise ValueError("another stream's or another account's start")
        if not is_call_sid(start["callSid"]):
            raise ValueError("callSid")
        parameters = start.get("customParameters", {})
        return MediaStarted(
            stream=stream,
            leg=LegId(start["callSid"]),
            call=text(parameters.get("callId", "")),
            token=text(parameters.get("token", "")),
            encoding=encoding(form["encoding"], form["sampleRate"], form["channels"], mulaw=_MU_LAW),
        )


def _numbered(frame: _Plain) -> PlainAudio:
    media = frame.media
    return plain_number(frame.sequence) and plain_number(media.chunk), media.payload


def _audio(message: dict[str, Any]) -> MediaIn:
    media = message["media"]
    stream, payload = _stream(message), media["payload"]
    if not is_caller_audio(media):
        return MediaUnknown()
    # The sequence number is not used: it may be missing, but not malformed.
    _number(message.get("sequenceNumber", "1"))
    chunk = _number(media["chunk"]) if "chunk" in media else 0
    return MediaAudio(stream=stream, chunk=chunk, mulaw=mulaw(payload))


def _number(stated: str | int) -> int:
    """Twilio counts from 1, in strings. `isdigit` alone would accept digits of other scripts."""
    text = str(stated) if isinstance(stated, int) else stated
    if len(text) > _MAX_DIGITS or not (text.isascii() and text.isdigit()):
        raise ValueError("number")
    number = int(text)
    if not number:
        raise ValueError("number")
    return number


def _stream(message: dict[str, Any]) -> StreamId:
    return stream_id(message["streamSid"])
