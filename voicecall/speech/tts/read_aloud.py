"""Whether a voice that writes down what it says reads out the text it was given, or words of its own. Pure.

Used by `openai_realtime.py`, whose model is asked to read aloud and may reword. The transcript is compared as it grows,
letter by letter, because its first deltas come before the audio they describe.

Letters are compared without case, accents, punctuation and spaces, so "do not" differs from "don't" and "check-in" does
not from "check in". Where a written text is spoken in other letters, any are accepted, up to a length:

    a word with a digit or a symbol (20, 5:30, €, example.com)     14 letters for each digit, 6 for another character
    a short word with a full stop in mid-text, or after a number    its first letter, then up to 16
    a number in the transcript                                      14 letters of the text for each digit
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["ReadAloud"]

_PER_DIGIT: Final = 14  # "seventeen", "thousand and", in the longest of the usual languages
_PER_CHARACTER: Final = 6
_REST_OF_ABBREVIATION: Final = 16
_SHORT: Final = 5
_RUN: Final = re.compile(r"\S+")
_SPOKEN: Final = "€$£¥%&@+=/#°§"  # symbols that a voice says


@dataclass(frozen=True, slots=True)
class _Gap:
    """Any letters, up to so many."""

    most: int


_Item = str | _Gap
"""One letter, or a gap."""


class ReadAloud:
    """The transcript of one text. Feed its deltas, then call `is_complete`."""

    def __init__(self, text: str) -> None:
        self._items = tuple(_joined(_expected(text)))
        self._states = self._skipped({0: 0})
        self._held = ""  # the run of the transcript that may still grow
        self._letters = 0

    @property
    def letters(self) -> int:
        """Letters of the transcript that were compared so far."""
        return self._letters

    def feed(self, delta: str) -> bool:
        """Compare more of the transcript. False from the first difference on."""
        self._held += delta
        *whole, self._held = re.split(r"(?<=\s)(?=\S)", self._held)
        for run in whole:
            self._take(run)
        # A word is compared letter by letter as it grows, unless it may turn out to be a number.
        return bool(self._peek())

    def is_complete(self) -> bool:
        """Whether the whole text was read, now that the transcript is over."""
        self._take(self._held)
        self._held = ""
        return len(self._items) in self._states

    def _peek(self) -> dict[int, int]:
        return self._after(self._states, self._held)

    def _take(self, run: str) -> None:
        self._states = self._after(self._states, run)
        self._letters += len(_letters(run))

    def _after(self, states: dict[int, int], run: str) -> dict[int, int]:
        """The states after one run of the transcript without spaces."""
        if _is_number(run):
            return self._jumped(states, _width(run))
        for letter in _letters(run):
            states = self._stepped(states, letter)
        return states

    def _stepped(self, states: dict[int, int], letter: str) -> dict[int, int]:
        """Positions that one more letter leads to, each with the letters its gap has taken."""
        after: dict[int, int] = {}
        for at, taken in states.items():
            item = self._items[at] if at < len(self._items) else None
            if isinstance(item, _Gap) and taken < item.most:
                after[at] = min(taken + 1, after.get(at, taken + 1))
            elif item == letter:
                after[at + 1] = 0
        return self._skipped(after)

    def _jumped(self, states: dict[int, int], width: int) -> dict[int, int]:
        """Positions that a number leads to: it stands for up to `width` letters of the text."""
        after: dict[int, int] = {}
        for at in states:
            used, to = 0, at
            while used <= width and to <= len(self._items):
                after[to] = 0
                item = self._items[to] if to < len(self._items) else ""
                used += 0 if isinstance(item, _Gap) else 1
                to += 1
        return self._skipped(after)

    def _skipped(self, states: dict[int, int]) -> dict[int, int]:
        """The same, with every gap that may be empty or over passed."""
        for at in sorted(states):
            to = at
            while to < len(self._items) and isinstance(self._items[to], _Gap):
                to += 1
                states.setdefault(to, 0)
        return states


def _expected(text: str) -> Iterator[_Item]:
    runs = _RUN.findall(text)
    after_number = False
    for place, run in enumerate(runs):
        letters = _letters(run)
        is_last = place == len(runs) - 1
        if _is_number(run) or _has_inner_mark(run):
            yield _Gap(_width(run))
            after_number = _is_number(run)
        elif 0 < len(letters) <= _SHORT and ((run.endswith(".") and not is_last) or after_number):
            yield letters[0]
            yield _Gap(_REST_OF_ABBREVIATION)
            after_number = False
        else:
            yield from letters
            after_number = False


def _joined(items: Iterator[_Item]) -> Iterator[_Item]:
    """Neighbouring gaps as one."""
    width = 0
    for item in items:
        if isinstance(item, _Gap):
            width += item.most
            continue
        if width:
            yield _Gap(width)
            width = 0
        yield item
    if width:
        yield _Gap(width)


def _is_number(run: str) -> bool:
    return any(character.isdigit() or character in _SPOKEN for character in run)


def _has_inner_mark(run: str) -> bool:
    """As in example.com or his/her: read with a word for the mark, or without."""
    return re.search(r"\w[^\w\s'\u2019\u2010-\u2015-]+\w", run) is not None


def _width(run: str) -> int:
    return sum(_PER_DIGIT if character.isdigit() else _PER_CHARACTER for character in run)


def _letters(run: str) -> str:
    """The letters that are compared: folded, without accents and marks."""
    folded = unicodedata.normalize("NFKD", run.casefold())
    return "".join(character for character in folded if character.isalnum())
