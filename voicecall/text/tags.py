"""Removes HTML and SSML from a text and resolves its entities: `<b>`, `<break time="1s"/>`, `&amp;`.

Pure and incremental; used by `plain`, which reads Markdown in what remains. A tag that ends a line of text becomes a
line break, the end of a table's cell a `|`. A "<" that begins no tag ("5 < 6") is text.
"""

import html
import re
from typing import Final

__all__ = ["Tags"]

_TAG: Final = re.compile(r"</?(?P<name>[a-zA-Z][\w:.-]*)(?:\s[^<]*)?/?>|<[!?|][^<]*>", re.DOTALL)
_ADDRESS: Final = re.compile(r"<((?:[a-zA-Z][a-zA-Z0-9+.-]+:|www\.)[^\s<>]+|[^\s<>@]+@[^\s<>@]+)>")
_LABELLED: Final = re.compile(r"<(?:[a-zA-Z][a-zA-Z0-9+.-]+:|www\.)[^\s<>|]+\|([^<>|\n]+)>")
_ENTITY: Final = re.compile(r"&#?[a-zA-Z0-9]{0,32};?")
_LONGEST_TAG: Final = 300
_LONGEST_BARE: Final = 40  # without attributes; "x <y" holds up speech no longer than this
_LINES: Final = frozenset(
    {
        *(
            "address",
            "article",
            "blockquote",
            "br",
            "dd",
            "div",
            "dl",
            "dt",
            "figcaption",
            "footer",
            "form",
            "h1",
            "h2",
        ),
        *(
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "option",
            "p",
            "paragraph",
            "pre",
            "section",
        ),
        *("table", "tbody", "thead", "title", "tr", "ul"),
    }
)
_PAUSES: Final = frozenset({"audio", "bookmark", "break", "img", "mark", "mstts:silence", "pause", "silence"})
_UNSPOKEN: Final = frozenset({"script", "style"})


class Tags:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._held = ""  # what may become a tag or an entity
        self._inside = ""  # the element whose content is not text

    def feed(self, piece: str) -> str:
        """The text that is decided now."""
        return "".join(map(self._read, piece))

    def flush(self) -> str:
        """The rest; an open mark is taken as text. Feed nothing more."""
        held, self._held = self._held, ""
        return "" if self._inside or held.startswith("<!--") else held

    def _read(self, char: str) -> str:
        if not self._held:
            return self._begin(char)
        held = self._held + char
        if held[0] == "&":
            return self._entity(held)
        if held.startswith("<!--"):
            self._held = "" if held.endswith("-->") else held[:4] + held[4:][-2:]
            return ""
        if char == ">":
            self._held = ""
            return self._tag(held)
        if char == "<" or not _may_be_tag(held):
            before, self._held = self._held, ""
            return self._text(before) + self._begin(char)
        self._held = held
        return ""

    def _begin(self, char: str) -> str:
        if char == "<" or (char == "&" and not self._inside):
            self._held = char
            return ""
        return self._text(char)

    def _text(self, text: str) -> str:
        return "" if self._inside else text

    def _entity(self, held: str) -> str:
        if held[-1] != ";" and _ENTITY.fullmatch(held):
            self._held = held
            return ""
        before, self._held = self._held, ""
        if held[-1] == ";":
            meant = html.unescape(held)
            if meant == "&":
                return self._begin(meant)  # it may have been escaped twice
            return " " if meant == "\xa0" else meant
        return before + self._begin(held[-1])

    def _tag(self, held: str) -> str:
        address = _LABELLED.fullmatch(held) or _ADDRESS.fullmatch(held)
        if address is not None:
            return self._text(address[1] if address.re is _LABELLED else f"{address[1]} ")
        found = _TAG.fullmatch(held)
        if found is None:
            return self._text(held)
        name = (found["name"] or "").lower()
        if self._inside:
            self._inside = "" if name == self._inside and held.startswith("</") else self._inside
            return ""
        if name in _UNSPOKEN and not held.startswith("</") and not held.endswith("/>"):
            self._inside = name
        if name in _LINES:
            return "\n"
        if name in {"td", "th"} and held.startswith("</"):
            return "|"
        return " " if name in _PAUSES else ""


def _may_be_tag(held: str) -> bool:
    longest = _LONGEST_TAG if "=" in held else _LONGEST_BARE
    return len(held) <= longest and (held[1].isalpha() or held[1] in "/!?|")
