"""Cuts a streamed reply into sentences, so that speech synthesis can begin with the first one.

Pure and incremental. Knows what ends a sentence in running prose; knows no voice, no model and no clock. A sentence is
returned with the first character after it, which decides whether "3." was the start of "3.14".
"""

import re
from typing import Final

from voicecall.text.plain import PlainText
from voicecall.text.punctuation import CLAUSE, END, SPACED_SCRIPT_BREAK, Abbreviations, abbreviations_of

__all__ = ["LONGEST", "Sentences"]

LONGEST: Final = 300
"""Characters in the longest piece: a longer sentence is cut at a comma, else at a space."""

_FIRST_LONGEST: Final = 120  # the caller waits for the first piece, so it may end at a comma already
_SHORTEST_CLAUSE: Final = 40  # a shorter piece sounds cut off

_WORD: Final = re.compile(r"[^\s\"'“‘«(\[]*\Z")  # noqa: RUF001  typographic marks are what people and models write
_LIST_NUMBER: Final = re.compile(r"[0-9]{1,3}|[a-zA-Z]")
_ORDINAL: Final = re.compile(r"[0-9]{1,3}")


class Sentences:
    """The sentences of one reply, in order. The result does not depend on where the pieces were cut.

    `language`: a BCP 47 tag, for abbreviations and ordinals; sentences of every script are found in any of them.
    """

    def __init__(self, language: str = "en") -> None:
        self._abbreviations = abbreviations_of(language)
        self._plain = PlainText()
        self._text = ""  # not yet returned; white space is single and never trails, except a line's end
        self._space = False
        self._is_first = True

    def feed(self, piece: str) -> list[str]:
        """The sentences complete so far, as plain text of at most LONGEST characters each."""
        self._fold(self._plain.feed(piece))
        return self._complete()

    def flush(self) -> list[str]:
        """The rest, at the end of the reply. Feed nothing more."""
        self._fold(self._plain.flush())
        sentences, rest = self._complete(), self._text.strip()
        while len(rest) > LONGEST:
            cut = _cut_long(rest, LONGEST)
            sentences.append(rest[:cut])
            rest = rest[cut:].strip()
        return _speakable([*sentences, rest])

    def _fold(self, text: str) -> None:
        """Append with white space collapsed to one blank, or to one line's end where there was any."""
        for char in text:
            if char == "\n":
                if self._text and not self._text.endswith("\n"):
                    self._text += "\n"
                self._space = False
            elif char.isspace():
                self._space = bool(self._text) and not self._text.endswith("\n")
            else:
                self._text += f" {char}" if self._space else char
                self._space = False

    def _complete(self) -> list[str]:
        sentences = []
        while cut := self._next_cut():
            sentences.append(self._text[:cut])
            self._text = self._text[cut:].lstrip()
            self._is_first = False
        return _speakable(sentences)

    def _next_cut(self) -> int:
        """Where the next piece ends; 0 when that is not decided yet."""
        # With two more characters than the longest piece, every end within it is decided.
        end = _first_end(self._text[: LONGEST + 2], self._abbreviations)
        spaced = _spaced_script_end(self._text)
        if spaced and not 0 < end <= spaced:
            return spaced
        if self._is_first and not 0 < end <= _FIRST_LONGEST and len(self._text) >= _FIRST_LONGEST + 2:
            clause = _last_clause(self._text, _FIRST_LONGEST)
            if clause:
                return clause
        if 0 < end <= LONGEST:
            return end
        return _cut_long(self._text, LONGEST) if len(self._text) >= LONGEST + 2 else 0


def _first_end(text: str, abbreviations: Abbreviations) -> int:
    # Marks before the first word belong to it; searching only behind it keeps a long run of marks from quadratic cost.
    first_word = next((at for at, char in enumerate(text) if char.isalnum()), len(text))
    for found in END.finditer(text, first_word):
        if _ends(text, found, abbreviations):
            return found.end()
    return 0


def _ends(text: str, found: re.Match[str], abbreviations: Abbreviations) -> bool:
    """Whether this mark ends a sentence, given the text before and after it."""
    mark = found["mark"]
    if mark is None or text[found.end()] == "\n":
        return True
    after = text[found.end() + 1 : found.end() + 2]
    if not after:
        return False  # beyond the longest piece, where nothing is decided yet
    if (found.end() > found.end("mark") or len(mark.strip("!?")) > 1 or "…" in mark) and after.islower():
        return False  # "What?" he said; well... maybe
    return mark != "." or _full_stop_ends(text[: found.start()].lstrip(), after, abbreviations)


def _full_stop_ends(before: str, after: str, abbreviations: Abbreviations) -> bool:
    if _LIST_NUMBER.fullmatch(before):
        return False
    found = _WORD.search(before)
    word = found[0] if found else ""
    low = word.lower()
    if low in abbreviations.never or (low in abbreviations.counted and after.isdigit()):
        return False
    if low in abbreviations.inside:
        return after.isupper()
    if abbreviations.ordinals and _ORDINAL.fullmatch(word):
        return False
    if "." in word and all(len(part) == 1 for part in word.split(".")):
        return word.islower() and after.isupper()  # "at 5 p.m. We close", but "the U.S. Army"
    return len(word) != 1 or not word.isupper() or word == "I"  # initials: "J. Smith"


def _spaced_script_end(text: str) -> int:
    """The first space of Thai and its like behind enough text to sound whole; 0 without one."""
    found = SPACED_SCRIPT_BREAK.search(text, _SHORTEST_CLAUSE, LONGEST + 1)
    return found.start() if found else 0


def _last_clause(text: str, limit: int) -> int:
    ends = [found.end() for found in CLAUSE.finditer(text, 0, limit + 1) if _SHORTEST_CLAUSE <= found.end() <= limit]
    return ends[-1] if ends else 0


def _cut_long(text: str, limit: int) -> int:
    return _last_clause(text, limit) or max(text.rfind(" ", 1, limit + 1), 0) or limit


def _speakable(pieces: list[str]) -> list[str]:
    """Each on one line; without those that have nothing to pronounce."""
    return [" ".join(piece.split()) for piece in pieces if _is_speakable(piece)]


def _is_speakable(text: str) -> bool:
    """Whether there is anything to pronounce."""
    return any(char.isalnum() for char in text)
