"""Audio on its way to a recogniser: a few seconds at most, and when there is more, the newest wins.

Pure. Holds what a caller says while the session is being opened, or opened again. Knows mu-law bytes and the ends of
utterances; knows no socket.
"""

from collections import deque
from typing import Final

__all__ = ["FIVE_SECONDS", "Backlog"]

FIVE_SECONDS: Final = 40_000


class Backlog:
    """Audio and ends of utterances in order. Never more than `limit` bytes."""

    def __init__(self, limit: int = FIVE_SECONDS) -> None:
        self._limit = limit
        self._waiting: deque[bytes | None] = deque()
        self._held = 0
        self.dropped = 0
        """Bytes thrown away so far."""

    def put(self, mulaw: bytes) -> None:
        self._waiting.append(mulaw)
        self._held += len(mulaw)
        while self._held > self._limit:
            oldest = self._waiting.popleft()
            lost = len(oldest) if oldest is not None else 0
            self._held -= lost
            self.dropped += lost

    def end_utterance(self) -> None:
        """An end right after another, or with nothing before it, ends nothing."""
        if self._waiting and self._waiting[-1] is not None:
            self._waiting.append(None)

    def take(self) -> list[bytes | None]:
        """All of it: stretches of audio as long as possible, None at each end of an utterance."""
        taken: list[bytes | None] = []
        audio: list[bytes] = []
        for piece in self._waiting:
            if piece is not None:
                audio.append(piece)
                continue
            taken += [b"".join(audio), None] if audio else [None]
            audio = []
        if audio:
            taken.append(b"".join(audio))
        self._waiting.clear()
        self._held = 0
        return taken
