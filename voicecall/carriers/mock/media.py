"""The mock carrier's frames on the media socket: flat JSON, base64 mu-law (docs/adding-a-carrier.md).

Sans-IO. From the carrier: `start audio key mark stop`; to it: `audio mark clear`. Every frame is one level deep, so
that a shell script can write it.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from voicecall import ports
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.common.media import base64_of, key, mulaw, quoted, read_frame, stream_id, text
from voicecall.carriers.common.plain_audio import Count, plain_audio, plain_number
from voicecall.ports import (
    MediaAudio,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
    PlainAudio,
)

__all__ = ["Media"]


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event: Literal["audio"]
    stream: str
    n: Count
    payload: bytes


class Media(ports.MediaCodec):
    def read(self, frame: str) -> MediaIn:
        return read_frame(frame, _read)

    def plain_reader(self, start: MediaStarted) -> Callable[[bytes | bytearray], PlainAudio | None]:
        return plain_audio(_Plain, start.stream, _numbered)

    def audio(self, stream: StreamId, mulaw: bytes) -> str:
        return f'{{"event":"audio","stream":"{stream}","payload":"{base64_of(mulaw)}"}}'

    def mark(self, stream: StreamId, name: str) -> str:
        return f'{{"event":"mark","stream":"{stream}","name":{quoted(name)}}}'

    def clear(self, stream: StreamId) -> str:
        return f'{{"event":"clear","stream":"{stream}"}}'


def _numbered(frame: _Plain) -> PlainAudio:
    return 0 if isinstance(frame.n, str) else plain_number(frame.n), frame.payload


def _read(message: dict[str, Any]) -> MediaIn:
    stream = stream_id(message["stream"])
    match message["event"]:
        case "audio":
            return MediaAudio(stream=stream, chunk=_count(message["n"]), mulaw=mulaw(message["payload"]))
        case "start":
            leg, call = text(message["leg"]), text(message.get("call", ""))
            return MediaStarted(stream=stream, leg=LegId(leg), call=call, token=text(message.get("token", "")))
        case "key":
            return MediaKey(stream=stream, digit=key(message["digit"]))
        case "mark":
            return MediaMark(stream=stream, name=text(message["name"]))
        case "stop":
            return MediaStopped(stream=stream)
        case str():
            return MediaUnknown()
        case _:
            raise ValueError("event is not a string")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 < value < 10**10:
        raise ValueError("n")
    return value
