"""Words of a caller, compared loosely: what recognition on a telephone line makes of yes, no, numbers, times. Pure."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise
from typing import Final

__all__ = [
    "MISHEARD",
    "clock_time",
    "has",
    "is_all",
    "is_in",
    "is_no",
    "is_yes",
    "number",
    "number_behind",
    "spelt",
    "value",
    "words_of",
]

_NUMBERS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
MISHEARD: Final = {"to": 2, "too": 2, "for": 4, "won": 1, "ate": 8, "a": 1, "an": 1, "couple": 2, "dozen": 12}
_ALIKE: Final = 0.82
_MOST_WORDS: Final = 60
_LEAST_ALIKE: Final = 5  # letters of a word that may be misheard


def words_of(text: str) -> list[str]:
    """The words of an utterance; of a long one, the first."""
    plain = re.sub(r"(\d)[:.](\d\d)\b", r"\1\2", text[:2000].lower().replace("'", "").replace("’", ""))  # noqa: RUF001
    return re.findall(r"[^\W_]+", plain)[:_MOST_WORDS]


def has(words: Sequence[str], *wanted: str) -> bool:
    """Whether one of the words is among those wanted, or sounds much like one."""
    return any(word == each or _is_alike(word, each) for word in words for each in wanted)


@lru_cache(maxsize=16_384)
def _is_alike(word: str, wanted: str) -> bool:
    if min(len(word), len(wanted)) < _LEAST_ALIKE or word[0] != wanted[0] or abs(len(word) - len(wanted)) > 2:
        return False
    return SequenceMatcher(None, word, wanted, autojunk=False).ratio() >= _ALIKE


def is_in(phrases: Sequence[str], words: Sequence[str]) -> bool:
    text = f" {' '.join(words)} "
    return any(f" {phrase} " in text for phrase in phrases if " " in phrase)


def is_yes(words: list[str]) -> bool:
    return has(words, "yes", "yeah", "yep", "sure", "please", "ok", "okay", "right", "correct") and not is_no(words)


def is_no(words: list[str]) -> bool:
    return has(words, "no", "nope", "nothing", "know", "nah") or is_in(("not now", "im fine", "i am fine"), words)


def is_all(words: list[str]) -> bool:
    return is_in(("thats all", "that is all", "that was all", "nothing else", "thats it", "good night"), words)


def value(word: str) -> int | None:
    if word.isdecimal() and len(word) <= 2:
        return int(word)
    return _NUMBERS.index(word) if word in _NUMBERS else None


def number(words: list[str]) -> int | None:
    """A number of people; words that sound like a number count only when there is no number."""
    exact = next((found for word in words if (found := value(word))), None)
    return exact or next((MISHEARD[word] for word in reversed(words) if word in MISHEARD), None)


def number_behind(words: list[str], before: str) -> int | None:
    """As in "for four"."""
    return next((found for first, word in pairwise(words) if first == before and (found := value(word))), None)


def clock_time(words: list[str]) -> str:
    """A time of day as it is said again: "7:30", "half past seven", "8"; "" when there is none."""
    past = {"half": "half past", "quarter": "quarter past"}
    for at, word in enumerate(words):
        if word.isdecimal() and len(word) in (3, 4):
            hour, minute = int(word[:-2]), int(word[-2:])
            if hour < 24 and minute < 60:
                return f"{hour}:{minute:02}" if minute else f"{hour} o'clock"
        if word in past and words[at + 1 : at + 2] == ["past"] and (hour_past := number(words[at + 2 : at + 3])):
            return f"{past[word]} {spelt(hour_past)}"
    return next((_hour(words, at) for at, word in enumerate(words) if word in ("at", "around", "about")), "") or (
        _hour(["at", *words], 0) if len(words) <= 4 else ""
    )


def _hour(words: list[str], at: int) -> str:
    hour = value(words[at + 1]) if at + 1 < len(words) else None
    if not hour or hour > 23:
        return ""
    follows = words[at + 2] if at + 2 < len(words) else ""
    minutes = {"thirty": 30, "fifteen": 15, "forty": 40, "twenty": 20, "30": 30, "15": 15, "45": 45}.get(follows)
    return f"{hour}:{minutes}" if minutes else f"{hour} o'clock"


def spelt(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)
