"""Finds the tags that a model writes around its reply: `The time is asked. <answer>It is noon.</answer>`.

Pure and incremental; used by `spoken`. A tag counts at the beginning of the text, a line or a sentence, or behind a
colon; elsewhere ("write <answer> around it") it is text.
"""

import re
from enum import Enum
from typing import Final

__all__ = ["Answers", "Mark"]

_NAMES: Final = (
    "(?:final[_-]?)?(?:answer|response|reply|output)|final|spoken(?:[_-]?(?:text|reply|answer|response))?|speech|"
    "assistant(?:[_-]?(?:answer|response|reply))?"
)
_TAG: Final = re.compile(rf"<\s*(?P<end>/)?\s*(?:{_NAMES})(?:\s[^<>]*)?>", re.IGNORECASE)
_PARTIAL: Final = re.compile(r"<\s{0,2}/?\s{0,2}(?:[a-zA-Z_-]{1,24}(?:\s[^<>]{0,80})?)?")
_BOUNDARIES: Final = frozenset(".!?…:;>)]}*`\"'”’»。！？：-—")  # noqa: RUF001  typographic marks


class Mark(Enum):
    """Where the reply begins and ends."""

    BEGIN = "begin"
    END = "end"


class Answers:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._held = ""  # what may become a tag
        self._may_begin = True
        self._inside = False

    def feed(self, piece: str) -> list[str | Mark]:
        """The text that is decided now, and where the reply begins and ends."""
        found: list[str | Mark] = []
        for char in piece:
            found += self._read(char)
        return found

    def flush(self) -> list[str | Mark]:
        """The rest. Feed nothing more."""
        held, self._held = self._held, ""
        return [held] if held else []

    def _read(self, char: str) -> list[str | Mark]:
        if not self._held and char != "<":
            return self._text(char)
        held = self._held + char
        if _PARTIAL.fullmatch(held):
            self._held = held
            return []
        self._held = ""
        tag = _TAG.fullmatch(held)
        if tag is not None and self._inside is bool(tag["end"]) and (self._inside or self._may_begin):
            self._inside = not self._inside
            return [Mark.BEGIN if self._inside else Mark.END]
        if tag is None and len(held) > 1:
            return [*self._text(held[:-1]), *self._read(char)]
        return self._text(held)

    def _text(self, text: str) -> list[str | Mark]:
        for char in text:
            if char == "\n":
                self._may_begin = True
            elif not char.isspace():
                self._may_begin = char in _BOUNDARIES
        return [text]
