"""Reads the answer of a chat model: server-sent events, or one JSON body from a service that ignores `stream: true`.

Pure and incremental; used by `llm`. Services differ in the form of every field, so the reader is lenient: content is
text or a list of typed chunks, an index is a number, text or missing, and what has no meaning here is skipped. What is
collected is bounded. Knows the protocol (OpenAI API reference, "Chat Completions"); does not know what of the text is
speech.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from voicecall.agents.lenient_json import Halves, loads, whole
from voicecall.agents.sse import SseParser
from voicecall.call.events import ToolRequest
from voicecall.errors import ServiceError

__all__ = ["ModelStream", "ToolCall", "error_code"]

_SERVICE: Final = "agent"
_LONGEST_BODY: Final = 1_048_576
_MOST_CALLS: Final = 32
_LONGEST_NAME: Final = 256
_LONGEST_ARGUMENTS: Final = 262_144
_TEXT_CHUNKS: Final = frozenset({"text", "output_text", "refusal", ""})
_DONE: Final = b"[DONE]"
_DEEPEST: Final = 8
_MOST_TOKENS: Final = 10_000_000
_DECODER: Final = json.JSONDecoder(strict=False)


class ToolCall:
    """A tool call, assembled from its pieces. `arguments`: JSON, as the model wrote it."""

    def __init__(self) -> None:
        self.id = self.name = self.arguments = ""

    def add(self, name: str, call_id: str, arguments: str) -> None:
        """Raises ServiceError when a field grows beyond its bound."""
        self.id = self.id or call_id[:_LONGEST_NAME]
        self.name += "" if name == self.name else name  # some services repeat it with every piece
        self.arguments += arguments
        if len(self.name) > _LONGEST_NAME or len(self.arguments) > _LONGEST_ARGUMENTS:
            raise ServiceError(_SERVICE, "a tool call is too long", retryable=False)

    def request(self) -> ToolRequest:
        return ToolRequest(id=whole(self.id), name=whole(self.name), arguments=whole(self.arguments))


class ModelStream:
    """One answer. Its methods raise ServiceError for an error object of the service and for data outside the protocol.

    `finished`: a finish reason or a whole body was read, so the answer was not cut off. `done`: nothing follows.
    `tokens`: of prompt and answer together, where the service reports them, else 0; `prompt_tokens`: of the prompt.
    `is_refusal`: the text so far says that the model will not answer. `is_filtered`: the service withheld the rest.
    """

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []
        self.finished = False
        self.done = False
        self.tokens = self.prompt_tokens = 0
        self.is_refusal = False
        self.is_filtered = False
        self._places: dict[int, int] = {}  # in `calls`, by the index that the service gave
        self._events = SseParser()
        self._halves = Halves()
        self._body: bytearray | None = None
        self._has_begun = False
        self._texts: list[str] = []  # so far
        self._has_deltas = False  # some of them came as deltas
        self._is_reply = False  # there were choices

    @property
    def has_text(self) -> bool:
        return bool(self._texts)

    def feed(self, piece: bytes) -> Iterator[str]:
        """The text that is complete now."""
        if not self._has_begun:
            piece = piece.removeprefix(b"\xef\xbb\xbf").lstrip()
            if not piece:
                return
            self._has_begun = True
            self._body = bytearray() if piece[:1] in (b"{", b"[") else None
        if self._body is None:
            yield from self._read_events(piece)
            return
        self._body += piece
        if len(self._body) > _LONGEST_BODY:
            raise ServiceError(_SERVICE, "the answer is too long", retryable=False)

    def flush(self) -> Iterator[str]:
        """The rest, at the end of the answer."""
        if self._body is None:
            yield from self._read_events(b"\n\n")
        elif self._body:
            yield from self._read(bytes(self._body))
            if not self._is_reply:
                raise _outside("no choices")
            self.finished = self.done = True

    def _read_events(self, piece: bytes) -> Iterator[str]:
        try:
            for event in self._events.feed(piece):
                if event.data.strip().strip(b'"') == _DONE:
                    self.finished = self.done = True
                if self.done:
                    return
                if event.name == b"error":
                    raise _failed("")
                yield from self._read(event.data)
        except ValueError as error:
            raise ServiceError(_SERVICE, str(error)) from error

    def _read(self, data: bytes) -> Iterator[str]:
        """The text of JSON documents: one, or several one after the other, each an object or a list of these."""
        for document in _documents(data):
            for chunk in document if isinstance(document, list) else (document,):
                if not isinstance(chunk, dict):
                    raise _outside(type(chunk).__name__)
                if text := self._halves.feed(self._read_chunk(chunk)):
                    self._texts.append(text)
                    yield text

    def _read_chunk(self, chunk: dict[str, Any]) -> str:
        if chunk.get("error") or chunk.get("object") == "error":
            raise _failed(error_code(chunk))
        self.tokens = _tokens_of(chunk.get("usage"), "total_tokens") or self.tokens
        self.prompt_tokens = _tokens_of(chunk.get("usage"), "prompt_tokens") or self.prompt_tokens
        choice = self._choice(chunk)
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            raise _failed(error_code(choice))
        self.finished = self.finished or bool(reason)
        self.is_filtered = self.is_filtered or reason == "content_filter"
        delta = choice.get("delta") or choice.get("text")
        if delta:
            self._has_deltas = True
            return self._read_message(delta)
        return self._new_part(self._read_message(choice.get("message")))

    def _choice(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The first of the replies in this chunk: that is the only one we asked for."""
        choices = chunk.get("choices")
        if choices is None:  # as Ollama's own API streams: no choices, no deltas
            choices = [chunk] if isinstance(chunk.get("message"), dict) else []
        self._is_reply = self._is_reply or "choices" in chunk or bool(choices)
        if not isinstance(choices, list):
            raise _outside(type(choices).__name__)
        if not all(isinstance(choice, dict) for choice in choices):
            raise _outside("a choice")
        return next((choice for choice in choices if not _index_of(choice.get("index"))), {})

    def _new_part(self, whole: str) -> str:
        """What is new in the text of a message, which some services repeat or let grow."""
        said = "".join(self._texts)
        if whole.startswith(said):
            return whole[len(said) :]
        return "" if self._has_deltas else whole

    def _read_message(self, message: Any) -> str:
        if not isinstance(message, dict):
            return _text_of(message)
        self._add_calls(message.get("tool_calls"))
        audio = message.get("audio")
        for name in ("content", "refusal", "text"):
            if text := _text_of(message.get(name)):
                self.is_refusal = self.is_refusal or (name == "refusal" and not self.has_text)
                return text
        return _text_of(audio.get("transcript")) if isinstance(audio, dict) else ""

    def _add_calls(self, pieces: Any) -> None:
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                self._add_call(piece)

    def _add_call(self, piece: dict[str, Any]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        name, call_id, arguments = function.get("name"), piece.get("id"), function.get("arguments")
        name, call_id = (value if isinstance(value, str) else "" for value in (name, call_id))
        if isinstance(arguments, dict):
            arguments = _written(arguments)
        call = self._call(_index_of(piece.get("index")), name, call_id)
        call.add(name, call_id, arguments if isinstance(arguments, str) else "")

    def _call(self, index: int | None, name: str, call_id: str) -> ToolCall:
        """The call that a piece belongs to. Without an index, or with one for all, a new id begins a new call."""
        place = len(self.calls) - 1 if index is None else self._places.get(index, -1)
        if place >= 0:
            known = self.calls[place]
            is_next = (
                known.id != call_id if known.id and call_id else index is None and not call_id and bool(known.name)
            )
            if not (name and is_next):
                return known
        if len(self.calls) >= _MOST_CALLS:
            raise ServiceError(_SERVICE, f"the model made over {_MOST_CALLS} tool calls at once", retryable=False)
        if index is not None:
            self._places[index] = len(self.calls)
        self.calls.append(ToolCall())
        return self.calls[-1]


def error_code(body: Any) -> str:
    """The service's error code or type; never its message, which may quote the conversation."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return ""
    return str(error.get("code") or error.get("type") or "")[:64]


def _documents(data: bytes) -> list[Any]:
    try:
        return [loads(data)]
    except ValueError:
        return _several(data.decode(errors="replace"))


def _several(text: str) -> list[Any]:
    """Documents that follow each other, on lines of their own or without anything between them."""
    found: list[Any] = []
    at = 0
    while text := text[at:].lstrip():
        try:
            document, at = _DECODER.raw_decode(text)
        except (ValueError, RecursionError) as error:
            if not found or text.strip() != _DONE.decode():
                raise _outside("JSONDecodeError") from error
            break
        found.append(document)
    return found


def _written(arguments: dict[str, Any]) -> str:
    try:
        return json.dumps(arguments, separators=(",", ":"))
    except RecursionError as error:
        raise _outside("RecursionError") from error


def _text_of(content: Any, depth: int = 0) -> str:
    """The text of a content field: text, a typed chunk, or a list of these. Chunks of other types have none."""
    if isinstance(content, str):
        return content
    if depth > _DEEPEST:
        return ""
    if isinstance(content, list):
        return "".join(_text_of(part, depth + 1) for part in content)
    if not isinstance(content, dict) or content.get("thought") or str(content.get("type") or "") not in _TEXT_CHUNKS:
        return ""
    fields = (content.get(name) for name in ("text", "refusal", "content", "parts", "value"))
    return next((text for field in fields if (text := _text_of(field, depth + 1))), "")


def _index_of(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0
    return int(value) if is_number else None  # the others are what JSON has not: NaN and the infinities


def _tokens_of(usage: Any, kind: str) -> int:
    tokens = usage.get(kind) if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) and 0 < tokens < _MOST_TOKENS else 0


def _failed(code: str) -> ServiceError:
    return ServiceError(_SERVICE, f"failed in mid-reply: {code}".removesuffix(": "))


def _outside(kind: str) -> ServiceError:
    return ServiceError(_SERVICE, f"answer is outside the protocol: {kind}")
