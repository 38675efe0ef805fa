"""Telnyx's frames on the media socket (carriers 4.2): JSON text, base64 of the RTP payload, mu-law as we ask for it.

Sans-IO, and run fifty times a second for every call. Telnyx does not promise the order of frames: `chunk` says it, and
the ingress puts them right. What goes back names no stream, because a socket carries one.
"""

from binascii import b2a_base64
from typing import Any

import orjson

from voicecall import ports
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.common.media import key, mulaw, number, stream_id, text
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
    return MediaAudio(stream=stream, chunk=number(media.get("chunk", 0)), mulaw=mulaw(payload))


def _rare(message: dict[str, Any]) -> MediaIn:
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
    return stream_id(message["stream_id"])
