"""Telnyx's frames on the media socket: JSON text, base64 of the RTP payload, as in "Media Streaming".

Mu-law is requested. Where Telnyx cannot transcode, it streams the codec of the call: A-law is read too. Frames sent to
Telnyx are in mu-law whatever comes (`stream_bidirectional_codec`).

Sans-IO, and run fifty times a second for every call. Telnyx does not guarantee the order of frames; the ingress sorts
them by `chunk`. Frames sent to Telnyx name no stream, because a socket carries one.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

import msgspec

from voicecall import ports
from voicecall.audio import alaw
from voicecall.audio.framing import FRAME_BYTES
from voicecall.audio.mulaw import SILENCE
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.common import relay
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
from voicecall.carriers.telnyx.client_state import read_client_state
from voicecall.carriers.telnyx.webhooks import is_call_control_id
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

_SILENCE: Final = bytes([SILENCE])


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event: Literal["media"]
    media: PlainMedia
    stream: str = msgspec.field(name="stream_id")
    sequence: Unused = msgspec.field(name="sequence_number", default=1)


class Media(ports.MediaCodec):
    """`MediaStarted.token` is always empty: the token is in the socket's path (`common/stream_path.py`)."""

    reports_played = False

    def read(self, frame: str) -> MediaIn:
        return read_frame(frame, _read)

    def reader(self, start: MediaStarted) -> Callable[[str], MediaIn] | None:
        return _read_alaw if start.encoding == "PCMA" else super().reader(start)

    def plain_reader(self, start: MediaStarted) -> Callable[[bytes | bytearray], PlainAudio | None]:
        return plain_audio(_Plain, start.stream, _numbered_alaw if start.encoding == "PCMA" else _numbered)

    def audio(self, stream: StreamId, mulaw: bytes) -> str:  # noqa: ARG002 - one stream per socket
        """Less than 20 ms, as the end of an utterance may be, is filled up: Telnyx refuses it."""
        whole = mulaw if len(mulaw) >= FRAME_BYTES else mulaw.ljust(FRAME_BYTES, _SILENCE)
        return f'{{"event":"media","media":{{"payload":"{base64_of(whole)}"}}}}'

    def mark(self, stream: StreamId, name: str) -> str:  # noqa: ARG002 - one stream per socket
        return f'{{"event":"mark","mark":{{"name":{quoted(name)}}}}}'

    def clear(self, stream: StreamId) -> str:  # noqa: ARG002 - one stream per socket
        return '{"event":"clear"}'


def _read(message: dict[str, Any]) -> MediaIn:
    if relay.is_relay(message):
        return _set_up(message) if message["type"] == "setup" else relay.read(message)
    return _audio(message) if message["event"] == "media" else _control(message)


def _read_alaw(frame: str) -> MediaIn:
    item = read_frame(frame, _read)
    return replace(item, mulaw=alaw.to_mulaw(item.mulaw)) if isinstance(item, MediaAudio) else item


def _numbered(frame: _Plain) -> PlainAudio:
    return plain_number(frame.media.chunk), frame.media.payload


def _numbered_alaw(frame: _Plain) -> PlainAudio:
    return plain_number(frame.media.chunk), alaw.to_mulaw(frame.media.payload)


def _audio(message: dict[str, Any]) -> MediaIn:
    media = message["media"]
    stream, payload = _stream(message), media["payload"]
    if not is_caller_audio(media):
        return MediaUnknown()
    return MediaAudio(stream=stream, chunk=number(media.get("chunk", 0)), mulaw=mulaw(payload))


def _control(message: dict[str, Any]) -> MediaIn:
    match message["event"]:
        case "start":
            return _started(message)
        case "connected":
            return MediaConnected()
        case "dtmf":
            return MediaKey(stream=_stream(message), digit=key(message["dtmf"]["digit"]))
        case "mark":
            return MediaMark(stream=_stream(message), name=text(message["mark"]["name"]))
        case "stop":
            return MediaStopped(stream=_stream(message))
        case str():  # also "error": Telnyx refused a frame that we sent, and continues
            return MediaUnknown()
        case _:
            raise ValueError("event is not a string")


def _started(message: dict[str, Any]) -> MediaStarted:
    start = message["start"]
    form = start["media_format"]
    leg = start["call_control_id"]
    if not is_call_control_id(leg):
        raise ValueError("call_control_id")
    state = read_client_state(start.get("client_state"))
    return MediaStarted(
        stream=_stream(message),
        leg=LegId(leg),
        call=state.call if state else "",
        token="",
        encoding=encoding(form["encoding"].upper(), form["sample_rate"], form.get("channels", 1), mulaw="PCMU"),
    )


def _set_up(message: dict[str, Any]) -> MediaStarted:
    leg = message["callControlId"]
    if not is_call_control_id(leg):
        raise ValueError("callControlId")
    return relay.started(message, LegId(leg))


def _stream(message: dict[str, Any]) -> StreamId:
    return stream_id(message["stream_id"])
