"""Decodes the tone code that a callee hears, while it is heard.

Attached only when a persona needs it, and fed two frames at a time: decoding is the simulator's most expensive work.
"""

import re
from collections.abc import Callable

from simulators.phone.line import FRAME_MS, SILENCE
from simulators.tones import Char, Decoder, Ended, Event

__all__ = ["Hearing"]


class Hearing:
    """The speech decoded so far. `understood` marks all of it as taken into account."""

    def __init__(self, on_utterance: Callable[[str, int, int, bool], None], *, from_ms: int) -> None:
        """Decode from `from_ms` after answer.

        `on_utterance` receives each utterance at its end: text, start and end in ms since answer, complete.
        """
        self._from_ms = from_ms
        self._on_utterance = on_utterance
        self._decoder = Decoder()
        self._pending = b""
        self._ms = 0
        self._since_ms = 0
        self._chars_before = 0
        self._utterances: list[Ended] = []
        self._chars = 0

    def feed(self, heard: bytes | None) -> None:
        """Take the next 20 ms; None is silence."""
        self._ms += FRAME_MS
        self._pending += SILENCE if heard is None else heard
        if len(self._pending) < 2 * len(SILENCE):
            return
        audio, self._pending = self._pending, b""
        self._take(self._decoder.feed(audio))

    def close(self) -> None:
        """The line is closed: report an utterance in progress as far as it was decoded."""
        self._take(self._decoder.feed(self._pending))
        self._take(self._decoder.close())
        self._pending = b""

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Char):
                self._chars += 1
            elif isinstance(event, Ended):
                self._utterances.append(event)
                start_ms, end_ms = self._from_ms + event.start_ms, self._from_ms + event.end_ms
                self._on_utterance(event.text, start_ms, end_ms, event.complete)

    def understood(self) -> None:
        """Take everything heard so far into account; only later speech matches from here on."""
        self._since_ms = self._ms
        self._chars_before = self._chars
        self._utterances.clear()

    @property
    def chars(self) -> int:
        """Characters heard since then."""
        return self._chars - self._chars_before

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Whether an utterance that ended since then matches the pattern."""
        return any(pattern.search(utterance.text) for utterance in self._utterances)

    @property
    def utterances(self) -> int:
        """Utterances that began and ended since then."""
        return sum(utterance.start_ms >= self._since_ms for utterance in self._utterances)
