"""Removes control tokens of chat formats that a service passed on, and what stands in other channels than the reply.

    <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>It is noon.<|return|>

Pure and incremental; used by `spoken`. Reads the tokens of harmony (`<|channel|>`), ChatML (`<|im_start|>`) and Llama
(`<|start_header_id|>`). A message is spoken when it is the assistant's and in no channel, in `final`, or in
`commentary` without a recipient, which is said before tools are used. Some services remove the tokens and leave the
names of the channels in the text: `analysis…assistantfinal…`. Any other token is text.
"""

import re
from enum import Enum
from typing import Final

__all__ = ["Channels"]

_HEADERS: Final = frozenset({"start", "im_start", "start_header_id", "channel"})
_BODIES: Final = frozenset({"message", "im_sep", "end_header_id"})
_ENDS: Final = frozenset(
    {"end", "return", "call", "im_end", "eot_id", "eom_id", "eot", "end_of_text", "endoftext", "begin_of_text"}
)
_TOKEN: Final = re.compile(r"<\|([a-zA-Z_]{1,32})\|>")
_PARTIAL: Final = re.compile(r"<(?:\|(?:[a-zA-Z_]{1,32}\|?)?)?")
_LONGEST_HEADER: Final = 120
_ROLES: Final = frozenset({"assistant", "user", "system", "developer", "tool"})
_FIRST: Final = "analysis"
_LAST: Final = "assistantfinal"


class _State(Enum):
    BEGIN = "nothing was read but what may be the name of the first channel"
    TEXT = "what is read is the reply"
    HEADER = "role and channel of a message"
    HIDDEN = "a message that is not the reply"
    STRIPPED = "the same, without tokens; ends with the names of role and channel"


class Channels:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._state = _State.BEGIN
        self._held = ""  # what may become a token
        self._before = ""  # at the beginning, what may become a name; of a stripped message, its last characters
        self._header = ""  # role, "|", channel
        self._has_text = False

    def feed(self, piece: str) -> str:
        """The text of the reply that is decided now."""
        return "".join(map(self._read, piece))

    def flush(self) -> str:
        """The rest. Feed nothing more."""
        held, self._held = self._held, ""
        rest = self._text(held)
        if self._state is _State.BEGIN:
            return self._before + rest
        return rest + (self._header if self._state is _State.HEADER and self._is_no_header() else "")

    def _read(self, char: str) -> str:
        if not self._held and char != "<":
            return self._char(char)
        held = self._held + char
        if _PARTIAL.fullmatch(held):
            self._held = held
            return ""
        self._held = ""
        if token := _TOKEN.fullmatch(held):
            return self._token(token[1].lower(), held)
        if len(held) > 1:
            return self._text(held[:-1]) + self._read(char)
        return self._text(char)

    def _token(self, name: str, written: str) -> str:
        if name in _HEADERS:
            begun, self._before = self._before if self._state is _State.BEGIN else "", ""
            if self._state is not _State.HEADER:
                self._state, self._header = _State.HEADER, ""
            self._header += "|" if name == "channel" else ""
            return begun
        if name in _BODIES and self._state is _State.HEADER:
            return self._body()
        if name in _BODIES or name in _ENDS:
            begun, self._before = self._before if self._state is _State.BEGIN else "", ""
            self._state, self._header = _State.TEXT, ""
            return begun
        return self._text(written)

    def _body(self) -> str:
        role, _, channel = self._header.partition("|")
        role, channel = role.strip().lower(), channel.strip().lower()
        is_reply = "to=" not in self._header and role in {"", "assistant"}
        is_reply = is_reply and (not channel or channel.startswith(("final", "commentary")))
        self._state, self._header = _State.TEXT if is_reply else _State.HIDDEN, ""
        return "\n" if is_reply and self._has_text else ""

    def _text(self, text: str) -> str:
        return "".join(map(self._char, text))

    def _char(self, char: str) -> str:
        match self._state:
            case _State.BEGIN:
                return self._begin(char)
            case _State.TEXT:
                self._has_text = True
                return char
            case _State.HEADER if char == "\n":
                return self._body()
            case _State.HEADER:
                self._header += char
                return self._unheaded() if len(self._header) > _LONGEST_HEADER else ""
            case _State.STRIPPED:
                self._before = (self._before + char)[-len(_LAST) :]
                self._state = _State.TEXT if self._before == _LAST else _State.STRIPPED
                return ""
            case _State.HIDDEN:
                return ""

    def _begin(self, char: str) -> str:
        before, self._before = self._before + char, ""
        if _FIRST.startswith(before):
            self._before = before
            return ""
        if before[:-1] == _FIRST and char.isalpha() and not char.islower():
            self._state = _State.STRIPPED
            return ""
        self._state, self._has_text = _State.TEXT, True
        return before

    def _unheaded(self) -> str:
        """The text behind a token that began no message."""
        header, self._header = self._header, ""
        self._state = _State.HIDDEN if "|" in header else _State.TEXT
        return header if self._state is _State.TEXT else ""

    def _is_no_header(self) -> bool:
        return "|" not in self._header and self._header.strip().lower() not in _ROLES
