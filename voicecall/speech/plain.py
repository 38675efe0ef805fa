"""Removes markup from a reply, leaving the text that is to be spoken.

Pure and incremental; used by `sentences.py`. Removed are fenced code, `[[directives]]`, the marks of headings, lists,
quotes, emphasis, inline code and links, emoji, control and invisible characters. A mark that may be text ("2 * 3",
"snake_case") is held until the next character decides. Does not know where sentences end.
"""

import re
import unicodedata
from collections.abc import Generator
from typing import Final

__all__ = ["PlainText"]

_Reading = Generator[None, str, str]

# Emoji, dingbats, and formatting characters: bidirectional marks, zero-width spaces, variation selectors.
_UNSPOKEN: Final = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\ufe0e\ufe0f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]",
)
_ESCAPABLE: Final = frozenset("\\`*_{}[]()#+-.!~>|")
_LONGEST_DIRECTIVE: Final = 200
_LONGEST_LINK: Final = 1000


class PlainText:
    """Of one reply. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._last = "\n"  # the last character that was output
        self._line_starts = True
        self._links = 0  # "[" waiting for their "]"
        self._reading = self._read()
        next(self._reading)

    def feed(self, piece: str) -> str:
        """The plain text that is decided now."""
        for char in piece:
            if _is_speakable(char):
                self._reading.send(" " if char == "\t" else char)
        return self._taken()

    def flush(self) -> str:
        """The rest; open marks are taken as text. Feed nothing more."""
        self._reading.send("")
        self._reading.close()
        return self._taken()

    def _taken(self) -> str:
        text, self._out = "".join(self._out), []
        return text

    def _emit(self, text: str) -> None:
        if text:
            self._out.append(text)
            self._last = text[-1]
            self._line_starts = self._last == "\n"

    # Each of these gets the character it begins with, and returns the first one that it did not use ("": the end).

    def _read(self) -> Generator[None, str, None]:
        char = yield
        while char:
            if self._line_starts and char != "\n":
                char = yield from self._line_head(char)
            else:
                char = yield from self._inline(char)
        yield

    def _line_head(self, char: str) -> _Reading:
        """Indentation and the mark of a heading, quote, list item or rule."""
        while char == " ":
            char = yield
        if char == ">":
            return (yield)
        if char not in {"#", "-", "*", "+", "•"}:
            self._line_starts = False
            return char
        run, after = yield from self._run_of(char)
        self._line_starts = False
        if len(run) >= 3 and after in {"\n", ""} and char in "-*":
            return after
        if after == " " and (char == "#" or len(run) == 1):
            return (yield)
        if char == "*":
            return self._emphasis(run, after)
        self._emit(run)
        return after

    def _inline(self, char: str) -> _Reading:
        if char in "*_~":
            run, after = yield from self._run_of(char)
            return self._emphasis(run, after)
        readers = {"`": self._ticks, "[": self._bracket, "!": self._exclamation, "\\": self._escape}
        reader = self._link_end if char == "]" and self._links else readers.get(char)
        if reader is not None:
            return (yield from reader())
        self._emit(char)
        return (yield)

    def _exclamation(self) -> _Reading:
        after = yield
        self._emit("" if after == "[" else "!")  # an image becomes its description
        return after

    def _escape(self) -> _Reading:
        after = yield
        if after not in _ESCAPABLE:
            self._emit("\\")
            return after
        self._emit(after)
        return (yield)

    def _run_of(self, char: str) -> Generator[None, str, tuple[str, str]]:
        run, after = char, (yield)
        while after == char:
            run, after = run + after, (yield)
        return run, after

    def _emphasis(self, run: str, after: str) -> str:
        """Output a run of * _ or ~ only where it cannot be emphasis."""
        before = self._last
        if run[0] == "_":
            is_text = before.isalnum() and after.isalnum()
        elif run[0] == "~":
            is_text = len(run) != 2
        else:
            is_text = (before.isspace() and after.isspace()) or (before.isdigit() and after.isdigit())
        self._emit(run if is_text else "")
        return after

    def _ticks(self) -> _Reading:
        run, after = yield from self._run_of("`")
        if len(run) < 3:
            return after
        while after:
            if after != "`":
                after = yield
                continue
            closing, after = yield from self._run_of("`")
            if len(closing) >= len(run):
                break
        self._emit("\n")
        return after

    def _bracket(self) -> _Reading:
        """A link becomes its text, a `[[directive]]` nothing."""
        after = yield
        if after != "[":
            self._links += 1
            return after
        held, after = "", (yield)
        while after not in {"", "\n"} and len(held) < _LONGEST_DIRECTIVE:
            held, after = held + after, (yield)
            if held.endswith("]]"):
                return after
        self._emit(held)
        return after

    def _link_end(self) -> _Reading:
        self._links -= 1
        after = yield
        if after != "(":
            return after
        depth, length = 1, 0
        while depth and length < _LONGEST_LINK and (after := (yield)) not in {"", "\n"}:
            depth += {"(": 1, ")": -1}.get(after, 0)
            length += 1
        return after if depth and after in {"", "\n"} else (yield)


def _is_speakable(char: str) -> bool:
    if char in "\n\t":
        return True
    return unicodedata.category(char) not in {"Cc", "Cs"} and not _UNSPOKEN.match(char)
