"""The messages of OpenAI's Realtime transcription: what the client sends and what the service sends.

Sans-IO: `openai_realtime.py` has the socket and decides when to send. Protocol: OpenAI API reference, "Realtime".
"""

import re
from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any, Final

import orjson

__all__ = [
    "COMMIT",
    "ServerMessage",
    "ServiceErrorMessage",
    "ServiceSpeechStarted",
    "ServiceSpeechStopped",
    "SessionUpdated",
    "TranscriptCompleted",
    "TranscriptFailed",
    "UtteranceCommitted",
    "append",
    "detects_pauses",
    "read",
    "realtime_url",
    "session_update",
]

COMMIT: Final = '{"type":"input_audio_buffer.commit"}'

_WITHOUT_VAD: Final = ("gpt-live-transcribe", "gpt-realtime-whisper")
_IDENTIFIER: Final = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """The session has its settings: audio may be sent."""


@dataclass(frozen=True, slots=True)
class ServiceSpeechStarted:
    pass


@dataclass(frozen=True, slots=True)
class ServiceSpeechStopped:
    pass


@dataclass(frozen=True, slots=True)
class UtteranceCommitted:
    """An utterance has ended; it comes after `previous` (None: unknown, or it is the first)."""

    item: str
    previous: str | None


@dataclass(frozen=True, slots=True)
class TranscriptCompleted:
    item: str
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptFailed:
    """An utterance that will have no transcript."""

    item: str
    code: str


@dataclass(frozen=True, slots=True)
class ServiceErrorMessage:
    """The service reports an error; `kind` and `code` are identifiers of its own, fit for a log."""

    kind: str
    code: str


ServerMessage = (
    SessionUpdated
    | ServiceSpeechStarted
    | ServiceSpeechStopped
    | UtteranceCommitted
    | TranscriptCompleted
    | TranscriptFailed
    | ServiceErrorMessage
)


def realtime_url(base_url: str) -> str:
    """The URL of the socket: `wss://host/v1/realtime?intent=transcription` for `https://host/v1`."""
    scheme, rest = base_url.rstrip("/").split("://", 1)
    secure = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    return f"{secure}://{rest}/realtime?intent=transcription"


def detects_pauses(model: str) -> bool:
    """Whether the model detects the end of an utterance; otherwise the client commits each utterance."""
    return not model.startswith(_WITHOUT_VAD)


def session_update(model: str, *, threshold: float, silence_ms: int, language: str | None = None) -> str:
    """Configures the session: mu-law audio, transcription only, and whether the service detects pauses."""
    detection = {
        "type": "server_vad",
        "threshold": threshold,
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
    }
    audio = {
        "format": {"type": "audio/pcmu"},
        "transcription": {"model": model} | ({"language": language} if language else {}),
        "turn_detection": detection if detects_pauses(model) else None,
    }
    update = {"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio}}}
    return orjson.dumps(update).decode()


def append(mulaw: bytes) -> str:
    """Formatted by hand, for speed: 50 per second and call."""
    return f'{{"type":"input_audio_buffer.append","audio":"{b2a_base64(mulaw, newline=False).decode()}"}}'


def read(frame: str) -> ServerMessage | None:
    """A message of the service; None for one that is not used (partial transcripts, rate limits, items)."""
    try:
        message: Any = orjson.loads(frame)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        return ServiceErrorMessage(kind="unreadable", code="not-an-object")
    kind, item = str(message.get("type")), message.get("item_id")
    known = _BY_TYPE.get(kind)
    if known is not None or not isinstance(item, str):
        return _error_of(message) if kind == "error" else known
    match kind:
        case "input_audio_buffer.committed":
            previous = message.get("previous_item_id")
            known = UtteranceCommitted(item, previous if isinstance(previous, str) else None)
        case "conversation.item.input_audio_transcription.completed":
            text = message.get("transcript")
            known = TranscriptCompleted(item, text if isinstance(text, str) else "")
        case "conversation.item.input_audio_transcription.failed":
            known = TranscriptFailed(item, _error_of(message).code)
        case _:
            pass
    return known


_BY_TYPE: Final[dict[str, ServerMessage]] = {
    "session.updated": SessionUpdated(),
    "transcription_session.updated": SessionUpdated(),
    "input_audio_buffer.speech_started": ServiceSpeechStarted(),
    "input_audio_buffer.speech_stopped": ServiceSpeechStopped(),
}


def _error_of(message: dict[str, Any]) -> ServiceErrorMessage:
    error = message.get("error")
    fields = error if isinstance(error, dict) else {}
    return ServiceErrorMessage(kind=_identifier(fields.get("type")), code=_identifier(fields.get("code")))


def _identifier(value: object) -> str:
    """The value if it is an identifier; other text may quote the caller and becomes "unknown"."""
    return value if isinstance(value, str) and _IDENTIFIER.match(value) else "unknown"
