"""Compares what was said with what speech recognition made of it: word by word, without case, punctuation and digits.

A small model mishears a word now and then, so two texts are the same when no more than `MOST_ERRORS` of the words
differ: inserted, left out or replaced. Pure.
"""

import re

__all__ = ["MOST_ERRORS", "are_alike", "ends_alike", "error_rate", "normalised", "phrase_in"]

MOST_ERRORS = 0.25
"""Words that may differ, as a share of those that were said."""

_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_MINUTES = {"15": "fifteen", "30": "thirty", "45": "forty five"}


def normalised(text: str) -> list[str]:
    """The words: lower case, numbers up to twelve and times of day written out."""
    plain = re.sub(r"(\d)[:.](\d\d)\b", r"\1\2", text.lower().replace("'", "").replace("’", ""))  # noqa: RUF001
    return [word for token in re.findall(r"[^\W_]+", plain) for word in _spelt(token).split()]


def _spelt(token: str) -> str:
    if token.isdecimal() and len(token) <= 2 and int(token) < len(_NUMBERS):
        return _NUMBERS[int(token)]
    if token.isdecimal() and len(token) in (3, 4) and int(token[:-2]) < len(_NUMBERS) and token[-2:] in _MINUTES:
        return f"{_NUMBERS[int(token[:-2])]} {_MINUTES[token[-2:]]}"
    return token


def error_rate(said: list[str], heard: list[str]) -> float:
    """The word error rate: the fewest words to insert, leave out or replace, per word that was said."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(said, start=1):
        before, row = row, [count]
        for at, other in enumerate(heard):
            row.append(min(row[at] + 1, before[at + 1] + 1, before[at] + (word != other)))
    return row[-1] / max(1, len(said))


def are_alike(said: str, heard: str) -> bool:
    """Whether it is the same text, but for what recognition mishears."""
    return error_rate(normalised(said), normalised(heard)) <= MOST_ERRORS


def ends_alike(said: str, heard: str) -> bool:
    """Whether what was heard ends with that text."""
    words, others = normalised(said), normalised(heard)
    tails = (others[-count:] for count in range(max(1, len(words) - 1), len(words) + 2))
    return any(error_rate(words, tail) <= MOST_ERRORS for tail in tails)


def phrase_in(phrase: str, heard: str) -> bool:
    """Whether the phrase was heard, to the word."""
    return f" {' '.join(normalised(phrase))} " in f" {' '.join(normalised(heard))} "
