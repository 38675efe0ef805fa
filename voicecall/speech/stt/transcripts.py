"""Utterances in the order they were spoken, though their transcripts arrive in another.

Pure. A recogniser names each utterance when it ends ("committed, after that one") and sends its text later; the text
of a short utterance may overtake that of a long one before it. Repeated texts are told once. No clock: the session
says when it has waited long enough.
"""

from collections import deque
from typing import Final

__all__ = ["Transcripts"]

_REMEMBERED: Final = 256


class Transcripts:
    """Of one session. Every method gives back the texts that may be told now, in order; empty texts are left out."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._texts: dict[str, str] = {}
        self._told: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def is_held_up(self) -> bool:
        """Whether a text is here that waits for an earlier one."""
        return bool(self._texts)

    def committed(self, item: str, previous: str | None) -> None:
        """`item` was spoken, right after `previous` if that is known."""
        if item in self._order or item in self._told:
            return
        at = self._order.index(previous) + 1 if previous in self._order else len(self._order)
        self._order.insert(at, item)

    def completed(self, item: str, text: str) -> list[str]:
        """The text of `item`; "" when there will be none. An item never committed is taken as the newest."""
        if item in self._told or item in self._texts:
            return []
        self.committed(item, None)
        self._texts[item] = text
        return self._release()

    def overdue(self) -> list[str]:
        """Do not wait for the earlier ones any longer; should they still come, they are told then."""
        waiting = [item for item in self._order if item in self._texts]
        self._order = waiting
        return self._release()

    def _release(self) -> list[str]:
        told = []
        while self._order and self._order[0] in self._texts:
            item = self._order.pop(0)
            self._told.append(item)
            told.append(" ".join(self._texts.pop(item).split()))
        return [text for text in told if text]
