"""Speech recognition by OpenAI's Realtime transcription, or any service that offers the same API.

Only the protocol (OpenAI API reference, "Realtime"): what is sent, and what the service's messages mean.
"""

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

import aiohttp
import orjson

from voicecall.manifests.openai import STT, OpenAIRecognition, is_openai
from voicecall.speech.stt.link import (
    NotTranscribed,
    Partial,
    Ready,
    Service,
    ServiceFault,
    Signal,
    SpeechBegan,
    SpeechEnded,
    Transcribed,
    UtteranceCommitted,
    language_in,
)
from voicecall.speech.stt.refusal import identifier
from voicecall.speech.stt.socket_link import SocketLink, socket_url
from voicecall.speech.vad import VoiceActivity

__all__ = ["RealtimeWire", "build", "detects_pauses", "of_day"]

_WITHOUT_VAD: Final = ("gpt-live-transcribe", "gpt-realtime-whisper")
_FINAL: Final = frozenset({"invalid_request_error", "authentication_error", "permission_error"})
_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription."


def build(block: OpenAIRecognition, http: aiohttp.ClientSession) -> Service:
    """The service as configured under `streaming.providers.openai`."""
    detector = partial(VoiceActivity, silence_ms=block.silence_duration_ms, threshold=block.vad_threshold)
    return Service(
        name="openai",
        model=block.model,
        link=lambda _: SocketLink(RealtimeWire(of_day(block, datetime.now(UTC).date())), http),
        silence_ms=block.silence_duration_ms,
        detector=None if detects_pauses(block.model) else detector,
        # The others send their transcript when the pause is over: too late to be of use.
        stable_partials=not detects_pauses(block.model),
    )


def of_day(block: OpenAIRecognition, day: date) -> OpenAIRecognition:
    """A model whose day has come is replaced; what replaces it detects pauses as it did."""
    if not is_openai(block.base_url):
        return block
    return block.model_copy(update={"model": STT.in_force(block.model, day)})


def detects_pauses(model: str) -> bool:
    """Whether the model detects the end of an utterance; otherwise the client commits each utterance."""
    return not model.startswith(_WITHOUT_VAD)


class RealtimeWire:
    """Wire of one connection."""

    is_ready_when_open = False
    idle = None
    farewell = None

    def __init__(self, block: OpenAIRecognition) -> None:
        self._block = block
        self._deltas: dict[str, str] = {}  # the transcript so far, by item

    @property
    def url(self) -> str:
        return socket_url(self._block.base_url, "/realtime?intent=transcription")

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._block.api_key}"} if self._block.api_key else {}

    @property
    def opening(self) -> str:
        """Configures the session: mu-law audio, transcription only, and whether the service detects pauses."""
        block = self._block
        detection = {
            "type": "server_vad",
            "threshold": block.vad_threshold,
            "prefix_padding_ms": 300,
            "silence_duration_ms": block.silence_duration_ms,
        }
        audio = {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": block.model} | ({"language": block.language} if block.language else {}),
            "turn_detection": detection if detects_pauses(block.model) else None,
        }
        update = {"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio}}}
        return orjson.dumps(update).decode()

    def audio(self, mulaw: bytes) -> str:
        """Formatted by hand, for speed: 50 per second and call."""
        return f'{{"type":"input_audio_buffer.append","audio":"{b2a_base64(mulaw, newline=False).decode()}"}}'

    def commit(self) -> str:
        return '{"type":"input_audio_buffer.commit"}'

    def read(self, message: str) -> Sequence[Signal]:
        try:
            event: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            return (ServiceFault(kind="unreadable", code="not-an-object"),)
        kind, item = str(event.get("type")), event.get("item_id")
        if kind == "error":
            return (_fault_of(event),)
        if kind in _BY_TYPE:
            return _BY_TYPE[kind]
        return self._about(kind, item, event) if isinstance(item, str) else ()

    def _about(self, kind: str, item: str, event: dict[str, Any]) -> Sequence[Signal]:
        """What is said of one utterance."""
        match kind.removeprefix(_TRANSCRIPTION):
            case "input_audio_buffer.committed":
                previous = event.get("previous_item_id")
                return (UtteranceCommitted(item, previous if isinstance(previous, str) else None),)
            case "delta":
                delta = event.get("delta")
                self._deltas[item] = self._deltas.get(item, "") + (delta if isinstance(delta, str) else "")
                return (Partial(self._deltas[item]),)
            case "completed":
                self._deltas.pop(item, None)
                text = event.get("transcript")
                return (Transcribed(item, text if isinstance(text, str) else "", language_in(event)),)
            case "failed":
                self._deltas.pop(item, None)
                return (NotTranscribed(item, _fault_of(event).code),)
            case _:
                return ()


_BY_TYPE: Final[Mapping[str, Sequence[Signal]]] = {
    "session.updated": (Ready(),),
    "transcription_session.updated": (Ready(),),
    "input_audio_buffer.speech_started": (SpeechBegan(),),
    "input_audio_buffer.speech_stopped": (SpeechEnded(),),
}


def _fault_of(event: dict[str, Any]) -> ServiceFault:
    error = event.get("error")
    fields = error if isinstance(error, dict) else {}
    kind = identifier(fields.get("type"))
    return ServiceFault(kind=kind, code=identifier(fields.get("code")), is_final=kind in _FINAL)
