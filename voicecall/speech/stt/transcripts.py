"""Puts transcripts into the order in which the utterances were spoken.

Pure. The service names each utterance when it ends (committed, and after which one) and sends its transcript later; the
transcript of a short utterance may overtake that of a long one before it. A repeated transcript is returned once. There
is no clock here: the session decides when it has waited long enough (`overdue`).
"""

from collections import deque
from typing import Final

__all__ = ["Transcripts"]

_REMEMBERED: Final = 256


class Transcripts:
    """Of one session. The methods return the transcripts that are next in order; "" for an utterance without words."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._texts: dict[str, str | None] = {}
        self._returned: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def is_held_up(self) -> bool:
        """Whether a transcript waits for an earlier one."""
        return bool(self._texts)

    def has(self, item: str) -> bool:
        """Whether the transcript of `item` is known already."""
        return item in self._returned or item in self._texts

    def committed(self, item: str, previous: str | None) -> None:
        """`item` was spoken, directly after `previous` if that is known."""
        if item in self._order or item in self._returned:
            return
        at = self._order.index(previous) + 1 if previous in self._order else len(self._order)
        self._order.insert(at, item)

    def completed(self, item: str, text: str | None) -> list[str]:
        """The transcript of `item`; None: there will be none. An item that was not committed counts as the newest."""
        if self.has(item):
            return []
        self.committed(item, None)
        self._texts[item] = text
        return self._release()

    def overdue(self) -> list[str]:
        """Stop waiting for earlier transcripts. Those that still arrive are returned then."""
        waiting = [item for item in self._order if item in self._texts]
        self._order = waiting
        return self._release()

    def _release(self) -> list[str]:
        ready: list[str] = []
        while self._order and self._order[0] in self._texts:
            item = self._order.pop(0)
            self._returned.append(item)
            text = self._texts.pop(item)
            if text is not None:
                ready.append(" ".join(text.split()))
        return ready
