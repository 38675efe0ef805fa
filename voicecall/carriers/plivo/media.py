"""Plivo's frames on the media socket (carriers 4.3): JSON text, base64 mu-law; numbers come as numbers or as text.

Sans-IO, and run fifty times a second for every call. A checkpoint is answered when it was played, and never when it
was cleared: whoever clears must not wait for it.
"""

from binascii import b2a_base64
from typing import Any

import orjson

from voicecall import ports
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.common.media import key, mulaw, number, stream_id, text
from voicecall.carriers.plivo.webhooks import is_call_uuid
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaAudio, MediaIn, MediaKey, MediaMark, MediaStarted, MediaStopped, MediaUnknown

__all__ = ["Media"]


class Media(ports.MediaCodec):
    """`MediaStarted.call` and `.token` are always empty: both are in the socket's path (`carriers/stream_path.py`)."""

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
        form = '"contentType":"audio/x-mulaw","sampleRate":8000'
        return f'{{"event":"playAudio","media":{{{form},"payload":"{payload}"}}}}'

    def mark(self, stream: StreamId, name: str) -> str:
        return f'{{"event":"checkpoint","streamId":"{stream}","name":{orjson.dumps(name).decode()}}}'

    def clear(self, stream: StreamId) -> str:
        return f'{{"event":"clearAudio","streamId":"{stream}"}}'


def _audio(message: dict[str, Any]) -> MediaIn:
    media = message["media"]
    stream, payload = _stream(message), media["payload"]
    if media.get("track", "inbound") != "inbound":
        return MediaUnknown()
    return MediaAudio(stream=stream, chunk=number(media.get("chunk", 0)), mulaw=mulaw(payload))


def _rare(message: dict[str, Any]) -> MediaIn:
    match message["event"]:
        case "start":
            return _started(message["start"])
        case "dtmf":
            return MediaKey(stream=_stream(message), digit=_key(message["dtmf"]["digit"]))
        case "playedStream":
            return MediaMark(stream=_stream(message), name=text(message["name"]))
        case "stop":
            return MediaStopped(stream=_stream(message))
        case str():  # also "clearedAudio", which says that our own `clear` arrived
            return MediaUnknown()
        case _:
            raise ValueError("event is not a word")


def _started(start: dict[str, Any]) -> MediaStarted:
    form = start["mediaFormat"]
    encoding, _, rate = form["encoding"].partition(";")
    if encoding != "audio/x-mulaw" or rate not in ("", "rate=8000") or number(form["sampleRate"]) != 8000:
        raise ValueError("audio that we did not ask for")
    leg = start["callId"]
    if not is_call_uuid(leg):
        raise ValueError("callId")
    return MediaStarted(stream=_stream(start), leg=LegId(leg), call="", token="")


def _stream(message: dict[str, Any]) -> StreamId:
    return stream_id(message["streamId"])


def _key(digit: Any) -> str:
    # A key is text; some senders write the figures as numbers.
    return key(str(digit) if type(digit) is int else digit)
