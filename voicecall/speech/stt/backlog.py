"""The audio that waits to be sent to a speech recognition service: a few seconds; beyond that the oldest is dropped.

Pure. Holds a caller's audio while the session connects or reconnects. Knows mu-law bytes and the ends of utterances;
knows no socket.
"""

from collections import deque
from typing import Final

__all__ = ["FIVE_SECONDS", "Backlog"]

FIVE_SECONDS: Final = 40_000


class Backlog:
    """Audio and ends of utterances, in order. At most `limit` bytes."""

    def __init__(self, limit: int = FIVE_SECONDS) -> None:
        self._limit = limit
        self._waiting: deque[bytes | None] = deque()
        self._held = 0
        self.dropped = 0
        """Bytes dropped so far."""

    def put(self, mulaw: bytes) -> None:
        self._waiting.append(mulaw)
        self._held += len(mulaw)
        while self._held > self._limit:
            oldest = self._waiting.popleft()
            lost = len(oldest) if oldest is not None else 0
            self._held -= lost
            self.dropped += lost

    def end_utterance(self) -> None:
        """Mark the end of an utterance. Ignored right after another end and when nothing waits."""
        if self._waiting and self._waiting[-1] is not None:
            self._waiting.append(None)

    def take(self) -> list[bytes | None]:
        """Remove and return everything: audio joined into one piece per utterance, None at each end of an utterance."""
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
