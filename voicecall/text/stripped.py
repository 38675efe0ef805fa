"""Removes the channels that are not the reply where a service left their names and removed the tokens around them.

    analysisThe user asks for the time.assistantfinalIt is noon.

Pure and incremental; used by `spoken`. What has its tokens is read by `reasoning`.
"""

from typing import Final

__all__ = ["StrippedChannels"]

_FIRST: Final = "analysis"
_LAST: Final = "assistantfinal"


class StrippedChannels:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._before: str | None = ""  # what may become the first name; None: what is read is text
        self._tail: str | None = None  # the last characters of a channel that is not the reply

    def feed(self, piece: str) -> str:
        """The text that is decided now."""
        for place, char in enumerate(piece):
            if self._tail is not None:
                self._tail = (self._tail + char)[-len(_LAST) :]
                if self._tail == _LAST:
                    self._tail = None
            elif self._before is None:
                return piece[place:]
            elif text := self._begin(char):
                return text + piece[place + 1 :]
        return ""

    def flush(self) -> str:
        """The rest. Feed nothing more."""
        return self._before or ""

    def _begin(self, char: str) -> str:
        before = (self._before or "") + char
        if _FIRST.startswith(before):
            self._before = before
            return ""
        self._before = None
        if before[:-1] == _FIRST and char.isalpha() and not char.islower():
            self._tail = ""
            return ""
        return before
