"""Decides whether what people heard is what was said: to the letter in tone code, word by word with real voices.

Real voices are heard by speech recognition, so texts may differ by the word errors of `words.MOST_ERRORS`. Pure.
"""

from collections.abc import Sequence
from typing import Any

from simulators.words import are_alike, ends_alike, phrase_in

__all__ = ["Judge"]

_IN_FLIGHT = 12
"""Characters by which the end of a sentence that was cut may differ."""


class Judge:
    """`real`: real voices, in place of tone code."""

    def __init__(self, *, real: bool) -> None:
        self._real = real

    def same(self, said: str, heard: Sequence[str]) -> bool:
        """Whether this was heard and nothing else. Real voices are heard in parts where they pause."""
        return are_alike(said, " ".join(heard)) if self._real else list(heard) == [said]

    def begins(self, said: str, heard: Sequence[str]) -> bool:
        """Whether it was heard first, and whole."""
        return are_alike(said, heard[0] if heard else "") if self._real else list(heard[:1]) == [said]

    def has(self, phrase: str, heard: Sequence[str]) -> bool:
        """Whether these words were heard."""
        whole = " ".join(heard)
        return phrase_in(phrase, whole) if self._real else phrase in whole

    def cut(self, story: str, lines: Sequence[str], heard: Sequence[dict[str, Any]]) -> str:
        """What was heard of the sentence that was cut, where the transcript `lines` end it at the same place; or ""."""
        if self._real:
            cut = [line for line in lines if line in story and not line.endswith((".", "!", "?"))]
            return next((u["text"] for u in heard for line in cut if ends_alike(line, u["text"])), "")
        cut = [u["text"] for u in heard if not u["complete"]]
        return next((text for text in cut if any(_same_cut(text, line) for line in lines)), "")


def _same_cut(heard: str, line: str) -> bool:
    """Whether the transcript's cut sentence is what the callee heard, up to the few characters in flight."""
    return (
        bool(line) and (heard.startswith(line) or line.startswith(heard)) and abs(len(heard) - len(line)) <= _IN_FLIGHT
    )
