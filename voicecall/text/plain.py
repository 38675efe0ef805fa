"""Removes markup from a text, leaving what is to be spoken.

Pure and incremental; used by `speakable` and by `speech/sentences.py`. Removed are footnotes and formulas (`notation`),
HTML and SSML (`tags`), fenced code, `[[directives]]`, the marks of headings, lists, quotes, emphasis, inline code,
tables and links, emoji, control and invisible characters. A table's row becomes its cells with commas, an address its
host. A mark that may be text ("2 * 3", "snake_case") is held until the next character decides. Does not know where
sentences end.
"""

import re
import unicodedata
from collections.abc import Generator
from typing import Final

from voicecall.text.notation import Notation
from voicecall.text.tags import Tags

__all__ = ["PlainText"]

_Reading = Generator[None, str, str]

# Emoji, dingbats, and formatting characters: bidirectional marks, zero-width spaces, variation selectors, tags.
_UNSPOKEN: Final = re.compile(
    "[\U0001f000-\U0001faff\U000e0000-\U000e01ef\u2600-\u27bf\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u25a0-\u25ff"
    "\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u20e3\u3030\u303d\u3297\u3299"
    "\ufe00-\ufe0f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]",
)
_JOINER: Final = "\u200d"  # between letters it changes their form, between emoji it stays behind
_ESCAPABLE: Final = frozenset("\\`*_{}[]()#+-.!~>|")
_LONGEST_DIRECTIVE: Final = 200
_LONGEST_LINK: Final = 1000
_TABLE_MARKS: Final = frozenset("|-:=+ ")
_SCHEMES: Final = ("http://", "https://", "ftp://", "www.", "mailto:", "tel:")
_HOST: Final = re.compile(r"(?:[^/?#@]*@)?(?:www\.)?(?P<host>\[[^\]]*\]|[^/:?#]*)", re.IGNORECASE)
_AFTER_ADDRESS: Final = ".,;:!?…"


class PlainText:
    """Of one reply. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._notation = Notation()
        self._tags = Tags()
        self._out: list[str] = []
        self._last = "\n"  # the last character that was output
        self._blanks = ""  # at the end of the output, which a cell's end removes
        self._written = "\n"  # the last character before these blanks
        self._cell_ended = False
        self._line_starts = True
        self._links = 0  # "[" waiting for their "]"
        self._reading = self._read()
        next(self._reading)

    def feed(self, piece: str) -> str:
        """The plain text that is decided now."""
        for char in self._tags.feed(self._notation.feed(piece)):
            self._send(char)
        return self._taken()

    def flush(self) -> str:
        """The rest; open marks are taken as text. Feed nothing more."""
        for char in self._tags.feed(self._notation.flush()) + self._tags.flush():
            self._send(char)
        self._reading.send("")
        self._reading.close()
        return self._taken() + self._blanks

    def _send(self, char: str) -> None:
        if _is_speakable(char) and (char != _JOINER or self._last.isalpha() or _is_mark(self._last)):
            self._reading.send(" " if char == "\t" else char)

    def _taken(self) -> str:
        text, self._out = "".join(self._out), []
        return text

    def _emit(self, text: str) -> None:
        if text:
            self._last = text[-1]
            self._line_starts = self._last == "\n"
        if text == " ":
            self._blanks += text
        elif text:
            self._out.append(self._gap(text) + text)
            self._blanks, self._written, self._cell_ended = "", text[-1], False

    def _gap(self, text: str) -> str:
        """What stands between the output so far and `text`."""
        if not self._cell_ended:
            return self._blanks
        if text == "\n":
            return ""
        return " " if self._written in _AFTER_ADDRESS else ", "

    def _end_cell(self) -> None:
        self._cell_ended = self._written != "\n"
        self._last = " "

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
        if char in {"|", ":", "="}:
            return (yield from self._table_line(char))
        if char == "~":
            return (yield from self._marked_line(char))
        if char not in {"#", "-", "*", "+", "•"}:
            self._line_starts = False
            return char
        return (yield from self._line_mark(char))

    def _marked_line(self, char: str) -> _Reading:
        """Three tildes fence code, as three backticks do."""
        run, after = yield from self._run_of(char)
        self._line_starts = False
        if len(run) < 3:
            return self._emphasis(run, after)
        return (yield from self._fenced(run, after))

    def _line_mark(self, char: str) -> _Reading:
        run, after = yield from self._run_of(char)
        self._line_starts = False
        if len(run) >= 3 and after in {"\n", ""} and char in "-*":
            return after
        begins_rule = after in {"|", ":"} or (after == " " and len(run) >= 3)
        if (char == "-" and begins_rule) or (run == "+" and after in {"-", "="}):
            return (yield from self._table_line(run + after))
        if after == " " and (char == "#" or len(run) == 1):
            return (yield)
        if char == "*":
            return self._emphasis(run, after)
        self._emit(run)
        return after

    def _table_line(self, held: str) -> _Reading:
        """A line of `|`, `-` and `:` separates a table's head from its rows; else it is the beginning of a row."""
        while (after := (yield)) in _TABLE_MARKS:
            held += after
        self._line_starts = False
        if after in {"\n", ""} and ("-" in held or "===" in held):
            return after
        for char in held.lstrip("| ").removeprefix(": ").removeprefix("==" if after.isalnum() else ""):
            if char == "|":
                self._end_cell()
            else:
                self._emit(char)
        return after

    def _inline(self, char: str) -> _Reading:
        if char in "*_~=$":
            run, after = yield from self._run_of(char)
            return self._emphasis(run, after)
        if char == "|":
            self._end_cell()
            return (yield)
        if char in "hfwmt" and not self._last.isalnum():
            return (yield from self._address(char))
        readers = {":": self._colon, "`": self._ticks, "[": self._bracket, "!": self._exclamation, "\\": self._escape}
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
        if after == "\n":
            return after
        if after not in _ESCAPABLE:
            self._emit("\\")
            return after
        self._emit("" if after in "()[]" else after)  # these delimit formulas
        return (yield)

    def _run_of(self, char: str) -> Generator[None, str, tuple[str, str]]:
        run, after = char, (yield)
        while after == char:
            run, after = run + after, (yield)
        return run, after

    def _emphasis(self, run: str, after: str) -> str:
        """Output a run of * _ ~ = or $ only where it cannot be a mark."""
        before = self._last
        if run[0] == "_":
            is_text = before.isalnum() and after.isalnum()
        elif run[0] in "~$":
            is_text = len(run) != 2
        elif run[0] == "=":
            is_text = len(run) != 2 or before.isalnum() == after.isalnum()
        else:
            is_text = (before.isspace() and after.isspace()) or (before.isdigit() and after.isdigit())
        self._emit(run if is_text else "")
        return after

    def _ticks(self) -> _Reading:
        run, after = yield from self._run_of("`")
        return after if len(run) < 3 else (yield from self._fenced(run, after))

    def _fenced(self, run: str, after: str) -> _Reading:
        """Skip to the fence that ends what `run` began."""
        while after:
            if after != run[0]:
                after = yield
                continue
            closing, after = yield from self._run_of(run[0])
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

    def _address(self, held: str) -> _Reading:
        """An address on the web becomes its host, one of another kind what follows its scheme; other words pass."""
        while (after := (yield)) and any(scheme.startswith((held + after).lower()) for scheme in _SCHEMES):
            held += after
        if held.lower() not in _SCHEMES:
            self._emit(held)
            return after
        return (yield from self._host(held.lower(), after))

    def _colon(self) -> _Reading:
        """Behind any other scheme; a capital begins no known one, because a sentence does not wait for its second."""
        if (after := (yield)) != "/":
            self._emit(":")
            return after
        if (after := (yield)) != "/":
            self._emit(":/")
            return after
        self._emit(" ")
        return (yield from self._host("", (yield)))

    def _host(self, scheme: str, after: str) -> _Reading:
        address, depth = "", 0
        while after and not after.isspace() and after not in '<>"`|]' and len(address) < _LONGEST_LINK:
            depth += {"(": 1, ")": -1}.get(after, 0)
            if depth < 0:
                break
            address, after = address + after, (yield)
        marked = address.rstrip("*_~'" + _AFTER_ADDRESS)
        self._emit(_spoken_address(scheme, marked) or scheme)
        self._emit("".join(mark for mark in address[len(marked) :] if mark in _AFTER_ADDRESS))
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


def _spoken_address(scheme: str, address: str) -> str:
    if scheme in {"mailto:", "tel:"}:
        return address.partition("?")[0]
    found = _HOST.match(address)
    return found["host"] if found is not None else ""


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in {"Mn", "Mc"}


def _is_speakable(char: str) -> bool:
    if char in "\n\t":
        return True
    return unicodedata.category(char) not in {"Cc", "Co", "Cs"} and not _UNSPOKEN.match(char)
