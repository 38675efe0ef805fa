"""OpenAI Realtime as a model that hears and speaks: the protocol of one connection (OpenAI API reference, "Realtime").

Mu-law goes both ways. The service finds the caller's pauses and transcribes; it never replies by itself, because the
rules of the call decide when a turn is over and what interrupts.
"""

import binascii
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from voicecall.call.state import Party
from voicecall.manifests.openai import OpenAIRealtime, OpenAIRecognition
from voicecall.realtime.wire import (
    END_CALL,
    EndAsked,
    ReplyBegan,
    ReplyEnded,
    SaidAudio,
    SaidText,
    SpeakingSignal,
)
from voicecall.speech.stt.link import ServiceFault, Signal
from voicecall.speech.stt.openai_realtime import RealtimeWire
from voicecall.speech.stt.refusal import identifier
from voicecall.speech.stt.socket_link import socket_url

__all__ = ["OpenAIWire", "wire_of"]

_PCMU: Final = {"type": "audio/pcmu"}
_END_CALL: Final = {
    "type": "function",
    "name": END_CALL,
    "description": "Hang up. Say goodbye first; the call ends when the goodbye was heard.",
    "parameters": {"type": "object", "properties": {}},
}
_COMPLETE: Final = frozenset({"completed", "cancelled"})


def wire_of(block: OpenAIRealtime) -> Callable[[str], "OpenAIWire"]:
    """Makes the protocol of a connection, with the instructions of its session."""
    return lambda instructions: OpenAIWire(block, instructions)


class OpenAIWire:
    """SpeakingWire of one connection. What it reports of the caller is what Realtime transcription reports."""

    is_ready_when_open = False
    idle = None
    farewell = None

    def __init__(self, block: OpenAIRealtime, instructions: str) -> None:
        self._block = block
        self._instructions = instructions
        self._hearing = RealtimeWire(OpenAIRecognition())  # only to read what it reports

    @property
    def url(self) -> str:
        return socket_url(self._block.base_url, f"/realtime?{urlencode({'model': self._block.model})}")

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._block.api_key}"} if self._block.api_key else {}

    @property
    def longest_s(self) -> float:
        return self._block.max_session_minutes * 60.0

    @property
    def opening(self) -> str:
        block = self._block
        detection = {
            "type": "server_vad",
            "threshold": block.vad_threshold,
            "prefix_padding_ms": block.prefix_padding_ms,
            "silence_duration_ms": block.silence_duration_ms,
            "create_response": False,
            "interrupt_response": False,
        }
        language = {"language": block.language} if block.language else {}
        session = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": self._instructions,
            "audio": {
                "input": {
                    "format": _PCMU,
                    "transcription": {"model": block.transcription_model, **language},
                    "turn_detection": detection,
                },
                "output": {"format": _PCMU, "voice": block.voice, "speed": block.speed},
            },
            "tools": [_END_CALL],
        }
        return _json(type="session.update", session=session)

    def audio(self, mulaw: bytes) -> str:
        """Formatted by hand, for speed: 50 per second and call."""
        return f'{{"type":"input_audio_buffer.append","audio":"{b2a_base64(mulaw, newline=False).decode()}"}}'

    def commit(self) -> str | None:
        return None

    def respond(self, tag: str, instructions: str | None) -> Sequence[str]:
        response: dict[str, Any] = {"metadata": {"tag": tag}}
        if instructions is not None:
            response["instructions"] = instructions
        return (_json(type="response.create", event_id=tag, response=response),)

    def cancel(self, reply: str) -> Sequence[str]:
        return (_json(type="response.cancel", response_id=reply),)

    def truncate(self, item: str, heard_ms: int) -> Sequence[str]:
        fields = {"item_id": item, "content_index": 0, "audio_end_ms": heard_ms}
        return (_json(type="conversation.item.truncate", **fields),)

    def forget(self, item: str) -> Sequence[str]:
        return (_json(type="conversation.item.delete", item_id=item),)

    def add(self, party: Party, text: str) -> Sequence[str]:
        role, kind = ("assistant", "output_text") if party is Party.BOT else ("user", "input_text")
        item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
        return (_json(type="conversation.item.create", item=item),)

    def tool_done(self, tool_call: str, output: str) -> Sequence[str]:
        item = {"type": "function_call_output", "call_id": tool_call, "output": output}
        return (_json(type="conversation.item.create", item=item),)

    def read(self, message: str) -> Sequence[Signal | SpeakingSignal]:
        try:
            event: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            return (ServiceFault(kind="unreadable", code="not-an-object"),)
        kind = str(event.get("type"))
        if kind in _OF_REPLY:
            return _OF_REPLY[kind](event)
        if kind == "session.updated":
            return self._settings(event)
        return self._error(event, message) if kind == "error" else self._hearing.read(message)

    def _settings(self, event: Mapping[str, Any]) -> Sequence[Signal]:
        """Another format than was asked for would be noise on the line, both ways."""
        audio = _at(event, "session", "audio")
        formats = [_at(audio, side, "format", "type") for side in ("input", "output")]
        if formats != ["audio/pcmu", "audio/pcmu"]:
            return (ServiceFault(kind="format", code="not-mu-law", ends=True, is_final=True),)
        return self._hearing.read('{"type":"session.updated"}')

    def _error(self, event: Mapping[str, Any], message: str) -> Sequence[Signal | SpeakingSignal]:
        """An error about a request for a reply ends that reply; any other is reported as such."""
        about, code = _at(event, "error", "event_id"), identifier(_at(event, "error", "code"))
        ended = (ReplyEnded(about, code),) if isinstance(about, str) and about else ()
        return (*self._hearing.read(message), *ended)


def _began(event: Mapping[str, Any]) -> Sequence[SpeakingSignal]:
    tag = _at(event, "response", "metadata", "tag")
    return (ReplyBegan(str(_at(event, "response", "id")), tag if isinstance(tag, str) else ""),)


def _words(event: Mapping[str, Any]) -> Sequence[SpeakingSignal]:
    return (SaidText(_text(event, "response_id"), _text(event, "item_id"), _text(event, "delta")),)


def _audio(event: Mapping[str, Any]) -> Sequence[SpeakingSignal | Signal]:
    try:
        mulaw = a2b_base64(_text(event, "delta"))
    except binascii.Error:
        return (ServiceFault(kind="unreadable", code="not-base64"),)
    return (SaidAudio(_text(event, "response_id"), _text(event, "item_id"), mulaw),)


def _tool(event: Mapping[str, Any]) -> Sequence[SpeakingSignal]:
    return (EndAsked(_text(event, "response_id"), _text(event, "call_id")),) if event.get("name") == END_CALL else ()


def _ended(event: Mapping[str, Any]) -> Sequence[SpeakingSignal]:
    status = _at(event, "response", "status")
    failure = _at(event, "response", "status_details", "error", "code") or status
    return (ReplyEnded(str(_at(event, "response", "id")), "" if status in _COMPLETE else identifier(failure)),)


_OF_REPLY: Final[Mapping[str, Callable[[Mapping[str, Any]], Sequence[Signal | SpeakingSignal]]]] = {
    "response.created": _began,
    "response.output_audio_transcript.delta": _words,
    "response.output_audio.delta": _audio,
    "response.function_call_arguments.done": _tool,
    "response.done": _ended,
}


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _json(**fields: Any) -> str:
    return orjson.dumps(fields).decode()
