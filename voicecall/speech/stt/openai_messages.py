"""The words of OpenAI's Realtime transcription, current protocol (carriers 7.1): what we send, what comes back.

Sans-IO: `openai_realtime.py` holds the socket. Here is what a message looks like and nothing about when it is sent.
"""

import re
from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any, Final

import orjson

__all__ = [
    "COMMIT",
    "Began",
    "Committed",
    "Completed",
    "Failed",
    "Paused",
    "Ready",
    "Refused",
    "ServerMessage",
    "append",
    "hears_pauses",
    "read",
    "realtime_url",
    "session_update",
]

COMMIT: Final = '{"type":"input_audio_buffer.commit"}'

_WITHOUT_VAD: Final = ("gpt-live-transcribe", "gpt-realtime-whisper")
_WORD: Final = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ready:
    """The session has our settings: audio may flow."""


@dataclass(frozen=True, slots=True)
class Began:
    pass


@dataclass(frozen=True, slots=True)
class Paused:
    pass


@dataclass(frozen=True, slots=True)
class Committed:
    """An utterance has its place: after `previous` (None: unknown or first)."""

    item: str
    previous: str | None


@dataclass(frozen=True, slots=True)
class Completed:
    item: str
    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """An utterance that will never have a text."""

    item: str
    code: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The service says what is wrong; `kind` and `code` are words of its own, fit for a log."""

    kind: str
    code: str


ServerMessage = Ready | Began | Paused | Committed | Completed | Failed | Refused


def realtime_url(base_url: str) -> str:
    """The socket's address: `https://host/v1` is `wss://host/v1/realtime?intent=transcription`."""
    scheme, rest = base_url.rstrip("/").split("://", 1)
    secure = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    return f"{secure}://{rest}/realtime?intent=transcription"


def hears_pauses(model: str) -> bool:
    """Whether the model finds the ends of utterances itself; for others the client must commit each."""
    return not model.startswith(_WITHOUT_VAD)


def session_update(model: str, *, threshold: float, silence_ms: int, language: str | None = None) -> str:
    """Telephone audio in, transcripts out, and who listens for pauses."""
    detection = {
        "type": "server_vad",
        "threshold": threshold,
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
    }
    sound = {
        "format": {"type": "audio/pcmu"},
        "transcription": {"model": model} | ({"language": language} if language else {}),
        "turn_detection": detection if hears_pauses(model) else None,
    }
    update = {"type": "session.update", "session": {"type": "transcription", "audio": {"input": sound}}}
    return orjson.dumps(update).decode()


def append(mulaw: bytes) -> str:
    """Built by hand: 50 a second and call."""
    return f'{{"type":"input_audio_buffer.append","audio":"{b2a_base64(mulaw, newline=False).decode()}"}}'


def read(frame: str) -> ServerMessage | None:
    """What the service said; None for what we do not use (partials, rate limits, items)."""
    try:
        message: Any = orjson.loads(frame)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        return Refused(kind="unreadable", code="not-an-object")
    kind, item = str(message.get("type")), message.get("item_id")
    said = _TOLD_BY_TYPE.get(kind)
    if said is not None or not isinstance(item, str):
        return _error_of(message) if kind == "error" else said
    match kind:
        case "input_audio_buffer.committed":
            previous = message.get("previous_item_id")
            said = Committed(item, previous if isinstance(previous, str) else None)
        case "conversation.item.input_audio_transcription.completed":
            text = message.get("transcript")
            said = Completed(item, text if isinstance(text, str) else "")
        case "conversation.item.input_audio_transcription.failed":
            said = Failed(item, _error_of(message).code)
        case _:
            pass
    return said


_TOLD_BY_TYPE: Final[dict[str, ServerMessage]] = {
    "session.updated": Ready(),
    "transcription_session.updated": Ready(),
    "input_audio_buffer.speech_started": Began(),
    "input_audio_buffer.speech_stopped": Paused(),
}


def _error_of(message: dict[str, Any]) -> Refused:
    error = message.get("error")
    said = error if isinstance(error, dict) else {}
    return Refused(kind=_word(said.get("type")), code=_word(said.get("code")))


def _word(value: object) -> str:
    """The service's identifier; prose, which may quote the caller, is not passed on."""
    return value if isinstance(value, str) and _WORD.match(value) else "unknown"
