"""Removes from a model's output what is not its reply: reasoning, calls of tools, and the tokens of a chat's parts.

Pure and incremental; used by `spoken`. `marks` knows the spellings. Some services send the closing tag of reasoning
alone, because the opening one belongs to the prompt: then all text before it was reasoning. Does not know JSON or
sentences.
"""

from enum import Enum
from typing import Final

from voicecall.text.marks import OPENS, Kind, Mark, can_be_mark, is_header, is_heard, mark_of

__all__ = ["Lone", "Reasoning"]

_LONGEST_HEADER: Final = 120


class Lone(Enum):
    """A closing tag without its opening one."""

    CLOSING = "closing"


class Reasoning:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._held = ""  # what may become a mark
        self._hidden: Mark | None = None  # what began the part that is not heard
        self._header: str | None = None  # of the next part, as far as it was read
        self._is_line = False  # the header ends with its line
        self._has_text = False
        self._comment = ""  # "<!--" and the last characters of a comment

    def feed(self, piece: str) -> list[str | Lone]:
        """The text outside of all this that is decided now, and where a closing tag stood alone."""
        found: list[str | Lone] = []
        for char in piece:
            found += self._read(char)
        return found

    def flush(self) -> list[str | Lone]:
        """The rest. Reasoning that never ended is not speech. Feed nothing more."""
        held, self._held = self._held, ""
        rest = self._outside(held)
        return rest if self._header is None else [*rest, *self._unheaded()]

    def _read(self, char: str) -> list[str | Lone]:
        if self._comment:
            text = self._comment + char
            self._comment = "" if text.endswith("-->") else text[:4] + text[4:][-2:]
            return []
        if char in OPENS and not (char == "&" and self._held.startswith("&lt;")):
            before, self._held = self._held, char
            return self._outside(before)
        if not self._held:
            return self._outside(char)
        self._held += char
        return self._decide()

    def _decide(self) -> list[str | Lone]:
        """What becomes of the text that may be a mark."""
        held = self._held
        if held == "<!--":
            self._held, self._comment = "", held
            return []
        is_whole = held.endswith(OPENS[held[0]])
        if not is_whole and (can_be_mark(held) or "<!--".startswith(held)):
            return []
        self._held, mark = "", mark_of(held) if is_whole else None
        return self._outside(held) if mark is None else self._mark(mark)

    def _outside(self, text: str) -> list[str | Lone]:
        if self._header is not None and text:
            return self._read_header(text)
        if not text or self._hidden is not None:
            return []
        self._has_text = True
        return [text]

    def _read_header(self, text: str) -> list[str | Lone]:
        line, ends, rest = text.partition("\n") if self._is_line else (text, "", "")
        self._header = (self._header or "") + line
        if ends:
            return [*self._begin_part(self._header), *self._outside(rest)]
        return self._unheaded() if len(self._header) > _LONGEST_HEADER else []

    def _begin_part(self, header: str) -> list[str | Lone]:
        """A part that is heard stands on a line of its own."""
        self._header = None
        self._hidden = None if is_heard(header) else Mark(Kind.BODY)
        return ["\n"] if self._hidden is None and self._has_text else []

    def _unheaded(self) -> list[str | Lone]:
        """What stands behind a mark that began no part is text."""
        header, self._header = self._header or "", None
        return [] if is_header(header) else self._outside(header)

    def _mark(self, mark: Mark) -> list[str | Lone]:
        hidden = self._hidden
        match mark.kind:
            case Kind.THOUGHT | Kind.TOOL:
                self._header, self._hidden = None, hidden or mark
            case Kind.THOUGHT_ENDS:
                if hidden is None:
                    return [Lone.CLOSING]
                self._hidden = None if hidden.kind is Kind.THOUGHT else hidden
            case Kind.TOOL_ENDS:
                self._hidden = None if hidden == Mark(Kind.TOOL, mark.name) else hidden
            case Kind.HEADER | Kind.LINE:
                # A role comes before its channel: `<|start|>assistant<|channel|>final`.
                self._header, self._is_line = f"{self._header or ''} ", mark.kind is Kind.LINE
            case Kind.BODY:
                return self._begin_part(mark.name or self._header or "")
            case Kind.PART_ENDS:
                self._header = self._hidden = None
            case Kind.NOTHING:
                pass  # it is not text
        return []
