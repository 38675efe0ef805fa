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
from voicecall.errors import ServiceError

__all__ = ["ModelStream", "ToolCall", "error_code"]

_SERVICE: Final = "agent"
_LONGEST_BODY: Final = 1_048_576
_MOST_CALLS: Final = 32
_LONGEST_NAME: Final = 256
_LONGEST_ARGUMENTS: Final = 262_144
_DEEPEST: Final = 8  # lists within a content field
_TEXT_CHUNKS: Final = frozenset({"text", "output_text", "refusal", ""})
_DONE: Final = b"[DONE]"


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

    def message(self) -> dict[str, Any]:
        function = {"name": whole(self.name), "arguments": whole(self.arguments)}
        return {"id": whole(self.id), "type": "function", "function": function}


class ModelStream:
    """One answer. Its methods raise ServiceError for an error object of the service and for data outside the protocol.

    `finished`: a finish reason or a whole body was read, so the answer was not cut off. `done`: nothing follows.
    """

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []
        self.finished = False
        self.done = False
        self._places: dict[int, int] = {}  # in `calls`, by the index that the service gave
        self._events = SseParser()
        self._halves = Halves()
        self._body: bytearray | None = None
        self._has_begun = False
        self._has_text = False

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
            self.finished = self.done = True

    def _read_events(self, piece: bytes) -> Iterator[str]:
        try:
            for data in self._events.feed(piece):
                if data.strip() == _DONE:
                    self.finished = self.done = True
                if self.done:
                    return
                yield from self._read(data)
        except ValueError as error:
            raise ServiceError(_SERVICE, str(error)) from error

    def _read(self, data: bytes) -> Iterator[str]:
        """The text of one JSON document, or of one on each line."""
        for document in _documents(data):
            for chunk in document if isinstance(document, list) else (document,):
                if not isinstance(chunk, dict):
                    raise _outside(type(chunk).__name__)
                if text := self._halves.feed(self._read_chunk(chunk)):
                    self._has_text = True
                    yield text

    def _read_chunk(self, chunk: dict[str, Any]) -> str:
        if chunk.get("error"):
            raise ServiceError(_SERVICE, f"failed in mid-reply: {error_code(chunk)}")
        choices, is_bare = chunk.get("choices"), False
        if choices is None:
            is_bare = isinstance(chunk.get("message"), dict)  # as Ollama's own API streams: no choices, no deltas
            choices = [chunk] if is_bare else []
        if not isinstance(choices, list):
            raise _outside(type(choices).__name__)
        choice = choices[0] if choices else {}
        if not isinstance(choice, dict):
            raise _outside(type(choice).__name__)
        self.finished = self.finished or bool(choice.get("finish_reason"))
        delta = choice.get("delta")
        if not delta and (is_bare or not self._has_text):
            # A whole message; some services repeat it at the end of the stream.
            delta = choice.get("message") or choice.get("text")
        if not isinstance(delta, dict):
            return _text_of(delta)
        self._add_calls(delta.get("tool_calls"))
        return _text_of(delta.get("content")) or _text_of(delta.get("refusal"))

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
    except ValueError as error:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2:
            raise _outside("JSONDecodeError") from error
    try:
        return [loads(line) for line in lines if line.strip() != _DONE]
    except ValueError as error:
        raise _outside("JSONDecodeError") from error


def _written(arguments: dict[str, Any]) -> str:
    try:
        return json.dumps(arguments, separators=(",", ":"))
    except RecursionError as error:
        raise _outside("RecursionError") from error


def _text_of(content: Any, depth: int = 0) -> str:
    """The text of a content field: text, a typed chunk, or a list of these. Chunks of other types have none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text_of(each, depth + 1) for each in content) if depth < _DEEPEST else ""
    if not isinstance(content, dict) or str(content.get("type") or "") not in _TEXT_CHUNKS:
        return ""
    text = content.get("text") or content.get("refusal") or content.get("content")
    if isinstance(text, dict):
        text = text.get("value")
    return text if isinstance(text, str) else ""


def _index_of(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _outside(kind: str) -> ServiceError:
    return ServiceError(_SERVICE, f"answer is outside the protocol: {kind}")
