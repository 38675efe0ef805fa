"""Speech recognition by ElevenLabs' Scribe (realtime), which detects pauses itself.

Only the protocol (ElevenLabs API reference, "Realtime speech to text"). It reports no beginning of speech: the first
words that it transcribes are the beginning.
"""

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson

from voicecall.manifests.elevenlabs import ElevenLabsRecognition
from voicecall.speech.stt.link import (
    Partial,
    Ready,
    Service,
    ServiceFault,
    Signal,
    SpeechBegan,
    SpeechEnded,
    Transcribed,
    language_in,
)
from voicecall.speech.stt.refusal import identifier
from voicecall.speech.stt.socket_link import SocketLink, socket_url

__all__ = ["ScribeWire", "build"]

_SILENCE: Final = b"\xff" * 800
_FINAL: Final = frozenset({"auth_error", "unaccepted_terms", "quota_exceeded", "input_error"})
_ERRORS: Final = frozenset(
    {
        *_FINAL,
        *("error", "transcriber_error", "rate_limited", "queue_overflow", "resource_exhausted"),
        *("session_time_limit_exceeded", "chunk_size_exceeded", "insufficient_audio_activity"),
    }
)
"""After each of them the service closes the connection."""


def build(block: ElevenLabsRecognition, http: aiohttp.ClientSession) -> Service:
    """The service as configured under `streaming.providers.elevenlabs`."""
    return Service(
        name="elevenlabs",
        model=block.model,
        link=lambda _: SocketLink(ScribeWire(block), http),
        silence_ms=block.silence_duration_ms,
    )


class ScribeWire:
    """Wire of one connection."""

    is_ready_when_open = False
    opening = None
    farewell = None

    def __init__(self, block: ElevenLabsRecognition) -> None:
        self._block = block
        self._utterance = 0
        self.idle = self.audio(_SILENCE)

    @property
    def url(self) -> str:
        block = self._block
        query = {
            "model_id": block.model,
            "audio_format": "ulaw_8000",
            "commit_strategy": "vad",
            "vad_silence_threshold_secs": f"{block.silence_duration_ms / 1000:g}",
            "vad_threshold": f"{block.vad_threshold:g}",
        }
        if block.language:
            query["language_code"] = block.language.partition("-")[0]
        return socket_url(block.base_url, f"/v1/speech-to-text/realtime?{urlencode(query)}")

    @property
    def headers(self) -> Mapping[str, str]:
        return {"xi-api-key": self._block.api_key} if self._block.api_key else {}

    def audio(self, mulaw: bytes) -> str:
        """Formatted by hand, for speed: 50 per second and call."""
        audio = b2a_base64(mulaw, newline=False).decode()
        return f'{{"message_type":"input_audio_chunk","audio_base_64":"{audio}","commit":false,"sample_rate":8000}}'

    def commit(self) -> None:
        return None

    def read(self, message: str) -> Sequence[Signal]:
        try:
            event: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            return (ServiceFault(kind="unreadable", code="not-an-object"),)
        kind, text = str(event.get("message_type")), event.get("text")
        if kind in _ERRORS:
            return (ServiceFault(kind=identifier(kind), code="unknown", ends=True, is_final=kind in _FINAL),)
        return self._said(kind, text.strip() if isinstance(text, str) else "", language_in(event))

    def _said(self, kind: str, text: str, language: str) -> Sequence[Signal]:
        began = (SpeechBegan(),) if text else ()
        match kind:
            case "session_started":
                return (Ready(),)
            case "partial_transcript":
                return (*began, Partial(text)) if text else ()
            case "committed_transcript":
                self._utterance += 1
                return (*began, SpeechEnded(), Transcribed(str(self._utterance), text, language))
            case "commit_throttled":
                return (ServiceFault(kind="commit_throttled", code="unknown"),)
            case _:
                return ()
