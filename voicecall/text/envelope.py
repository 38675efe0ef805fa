"""Finds the JSON objects that a model writes around its reply: `{"spoken": "…"}`, bare, in a code fence or in prose.

Pure and incremental; used by `spoken`. Read leniently: line breaks inside strings, single quotes, further keys, and an
end that is missing are no reason to speak JSON to a caller. A call of a tool that a model writes as text is removed;
other text and other objects pass unchanged.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Envelope", "Envelopes"]

_LONGEST: Final = 65_536
_NAMES: Final = ("spoken", "speech", "say", "reply", "response", "answer", "message", "text", "content")
"""Keys of the text to speak, the first that is present counts; `spoken` is the one that prompts ask for."""

_FENCE: Final = re.compile(r"`{1,2}")
_OPEN: Final = r"(?:```[\w-]{0,20}\s{0,40})?(?:\[\s{0,40})?"  # a code fence, a list
_START: Final = re.compile(
    _OPEN + r"""\{\s{0,40}(?:(["'])[\w -]{1,40}\1|spoken)\s{0,40}:""",
    re.IGNORECASE,
)
_PARTIAL: Final = re.compile(
    _OPEN + r"""(?:\{\s{0,40}(?:["'][\w -]{0,40}|(["'])[\w -]{1,40}\1\s{0,40}"""
    r"""|s|sp|spo|spok|spoke|spoken\s{0,40})?)?""",
    re.IGNORECASE,
)
_ENDED: Final = re.compile(
    r"""["']?spoken["']?\s*:\s*(?P<quote>["'])(?P<text>.*)(?P=quote)\s*\}""", re.DOTALL | re.IGNORECASE
)
_CUT: Final = re.compile(
    r"""["']?spoken["']?\s*:\s*(?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote))[^\\])*)""", re.DOTALL | re.IGNORECASE
)
_CALL: Final = re.compile(
    r"""\{\s*["'](?:name|function|tool|action)["']\s*:\s*["'][\w.-]+["']\s*,\s*"""
    r"""["'](?:arguments|parameters|args|action_input|tool_input)["']\s*:"""
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": " ", "r": "", "b": "", "f": ""}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An object that held the text to speak. The text around it is about the reply, not part of it."""

    text: str


class Envelopes:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._held = ""  # what may become an object, or an object that is still open
        self._is_object = False
        self._depth = 0
        self._quote = ""
        self._escaped = False

    def feed(self, piece: str) -> list[str | Envelope]:
        """The text outside of objects that is decided now, and the envelopes that are complete."""
        found: list[str | Envelope] = []
        for char in piece:
            found += self._read_object(char) if self._is_object else self._read_text(char)
        return found

    def flush(self) -> list[str | Envelope]:
        """The rest; an open envelope gives what it has of its text. Feed nothing more."""
        return self._taken()

    def _read_text(self, char: str) -> list[str | Envelope]:
        held = self._held + char
        if _FENCE.fullmatch(held) or _PARTIAL.fullmatch(held):
            self._held = held
            return []
        if _START.fullmatch(held):
            self._held, self._is_object, self._depth, self._quote = held, True, 1, ""
            return []
        if not self._held:
            return [char]
        before, self._held = self._held, ""
        return [before, *self._read_text(char)]

    def _read_object(self, char: str) -> list[str | Envelope]:
        self._held += char
        if self._escaped:
            self._escaped = False
        elif self._quote:
            self._escaped = char == "\\"
            self._quote = "" if char == self._quote else self._quote
        elif char in "\"'":
            self._quote = char
        else:
            self._depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(char, 0)
        return self._taken() if self._depth <= 0 or len(self._held) >= _LONGEST else []

    def _taken(self) -> list[str | Envelope]:
        held, self._held = self._held, ""
        inner = held[held.find("{") :] if self._is_object else ""
        self._is_object, self._escaped = False, False
        if _CALL.match(inner):
            held, inner = held[: held.find("{")], ""  # the fence before it has its end
        text = _text_of(inner) if inner else None
        if text is not None:
            return [Envelope(text)]
        return [held] if held else []


def _text_of(inner: str) -> str | None:
    """The text of an envelope; None when this is an object of another kind."""
    parsed = _parsed(inner)
    if isinstance(parsed, dict):
        return _named(parsed)
    found = _ENDED.search(inner) or _CUT.search(inner)
    return None if found is None else _unescaped(found["text"])


def _named(parsed: dict[str, Any], deepest: int = 4) -> str | None:
    """The text under the first of the names, in any case; an object under one of them is read in the same way."""
    values = {key.lower(): value for key, value in reversed(parsed.items())}
    for name in _NAMES:
        value = values.get(name)
        if isinstance(value, str):
            return value
        inner = _named(value, deepest - 1) if isinstance(value, dict) and deepest else None
        if inner is not None:
            return inner
    return None


def _parsed(written: str) -> Any:
    try:
        return json.loads(written, strict=False)  # not orjson, which refuses line breaks inside strings
    except (ValueError, RecursionError):
        return None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _meaning(found[1]), text)


def _meaning(escape: str) -> str:
    if len(escape) == 5:
        return chr(int(escape[1:], 16))
    return _ESCAPED.get(escape, escape)
