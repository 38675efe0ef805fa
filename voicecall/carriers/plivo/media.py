"""Plivo's frames on the media socket: JSON text, base64 mu-law, as in "Audio Streaming"; numbers as numbers or text.

Sans-IO, and run fifty times a second for every call. A checkpoint is confirmed when it was played, and not when it was
cleared.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from voicecall import ports
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.common.media import (
    base64_of,
    encoding,
    is_caller_audio,
    key,
    mulaw,
    number,
    quoted,
    read_frame,
    stream_id,
    text,
)
from voicecall.carriers.common.plain_audio import PlainMedia, Unused, plain_audio, plain_number
from voicecall.carriers.plivo.webhooks import is_call_uuid
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
    event: Literal["media"]
    media: PlainMedia
    stream: str = msgspec.field(name="streamId")
    sequence: Unused = msgspec.field(name="sequenceNumber", default=1)
    extra_headers: str = ""


class Media(ports.MediaCodec):
    """`MediaStarted.call` and `.token` are always empty: both are in the socket's path (`common/stream_path.py`)."""

    def read(self, frame: str) -> MediaIn:
        return read_frame(frame, _read)

    def plain_reader(self, start: MediaStarted) -> Callable[[bytes | bytearray], PlainAudio | None]:
        return plain_audio(_Plain, start.stream, _numbered)

    def audio(self, stream: StreamId, mulaw: bytes) -> str:  # noqa: ARG002 - one stream per socket
        form = '"contentType":"audio/x-mulaw","sampleRate":8000'
        return f'{{"event":"playAudio","media":{{{form},"payload":"{base64_of(mulaw)}"}}}}'

    def mark(self, stream: StreamId, name: str) -> str:
        return f'{{"event":"checkpoint","streamId":"{stream}","name":{quoted(name)}}}'

    def clear(self, stream: StreamId) -> str:
        return f'{{"event":"clearAudio","streamId":"{stream}"}}'


def _read(message: dict[str, Any]) -> MediaIn:
    return _audio(message) if message["event"] == "media" else _control(message)


def _numbered(frame: _Plain) -> PlainAudio:
    return plain_number(frame.media.chunk), frame.media.payload


def _audio(message: dict[str, Any]) -> MediaIn:
    media = message["media"]
    stream, payload = _stream(message), media["payload"]
    if not is_caller_audio(media):
        return MediaUnknown()
    return MediaAudio(stream=stream, chunk=number(media.get("chunk", 0)), mulaw=mulaw(payload))


def _control(message: dict[str, Any]) -> MediaIn:
    match message["event"]:
        case "start":
            return _started(message["start"])
        case "dtmf":
            return MediaKey(stream=_stream(message), digit=_key(message["dtmf"]["digit"]))
        case "playedStream":
            return MediaMark(stream=_stream(message), name=text(message["name"]))
        case "stop":
            return MediaStopped(stream=_stream(message))
        case str():  # also "clearedAudio", which confirms `clearAudio`
            return MediaUnknown()
        case _:
            raise ValueError("event is not a string")


def _started(start: dict[str, Any]) -> MediaStarted:
    form = start["mediaFormat"]
    name, _, rate = form["encoding"].partition(";")
    if rate not in ("", f"rate={form['sampleRate']}"):
        raise ValueError("two sample rates")
    leg = start["callId"]
    if not is_call_uuid(leg):
        raise ValueError("callId")
    return MediaStarted(
        stream=_stream(start),
        leg=LegId(leg),
        call="",
        token="",
        encoding=encoding(name, number(form["sampleRate"]), 1, mulaw="audio/x-mulaw"),
    )


def _stream(message: dict[str, Any]) -> StreamId:
    return stream_id(message["streamId"])


def _key(digit: Any) -> str:
    # Plivo documents a string; some of its frames hold a number.
    return key(str(digit) if type(digit) is int else digit)
