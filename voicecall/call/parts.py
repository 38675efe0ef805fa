"""Cuts a long text into parts that a carrier accepts as prompts, where its own voice speaks.

Pure. Used by `playback` and `requests`. Knows where a pause is least disturbing; knows no carrier.
"""

import re
from typing import Final

__all__ = ["parts_of"]

_ESCAPED: Final = {"&": 5, "<": 4, ">": 4}
"""Characters that XML writes longer. Counted for every carrier: a part may be shorter than it could be."""

_ENDS: Final = (
    re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？।]|\n"),  # noqa: RUF001  marks of several scripts
    re.compile(r"[,;:](?=\s)|[、，؛،]"),  # noqa: RUF001  see above
    re.compile(r"(?=\s)"),
)
"""Where to cut, best first: after a sentence, after a clause, between two words."""


def parts_of(text: str, longest: int) -> tuple[str, ...]:
    """The text in parts of at most `longest` characters; in one where it fits, or where `longest` is 0, no limit."""
    parts: list[str] = []
    rest = text
    while longest > 0 and (fits := _fitting(rest, longest)) < len(rest):
        cut = _cut(rest, fits)
        parts.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return tuple(part for part in (*parts, rest) if part) or (text,)


def _fitting(text: str, longest: int) -> int:
    """How many characters of `text` fit, at least one."""
    used = 0
    for at, char in enumerate(text):
        used += _ESCAPED.get(char, 2 if ord(char) > 0xFFFF else 1)
        if used > longest:
            return max(at, 1)
    return len(text)


def _cut(text: str, fits: int) -> int:
    for pattern in _ENDS:
        ends = [found.end() for found in pattern.finditer(text, 0, fits + 1) if fits // 3 < found.end() <= fits]
        if ends:
            return ends[-1]
    return fits
