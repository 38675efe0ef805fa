"""The caller's audio that may still be needed: not sent yet, or sent and not transcribed yet.

Pure. A connection that breaks takes the words with it that it had not transcribed; the next one, of the same service or
of another, gets them from here. Knows mu-law bytes and where utterances begin and end; knows no socket. Positions are
bytes since the session began.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

__all__ = ["FIFTEEN_SECONDS", "Tape"]

FIFTEEN_SECONDS: Final = 120_000
_BEFORE: Final = 8_000  # bytes: one second, by which a service's report of speech may be later than the speech
_MOST: Final = 8_000
_REPLAYS: Final = 3  # an utterance that has broken this many connections may be their reason


@dataclass(slots=True)
class _Utterance:
    begin: int
    end: int | None = None


class Tape:
    """Of one session. Holds at most `limit` bytes; beyond that the oldest are dropped."""

    def __init__(self, limit: int = FIFTEEN_SECONDS) -> None:
        self._limit = limit
        self._sent: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._start = 0  # position of the oldest byte held
        self._cursor = 0  # position of the first byte that was not taken
        self._end = 0
        self._settled = 0  # up to here everything is transcribed
        self._utterances: deque[_Utterance] = deque()
        self._mark: int | None = None  # from here speech is suspected, or was reported to an earlier connection
        self._replays = 0
        self.dropped = 0
        """Bytes dropped before they were taken."""

    @property
    def waiting(self) -> int:
        """Bytes not taken yet."""
        return self._end - self._cursor

    def put(self, mulaw: bytes) -> None:
        self._waiting.append(mulaw)
        self._end += len(mulaw)
        while self._end - self._start > self._limit:
            if self._sent:
                self._start += len(self._sent.popleft())
            else:
                lost = len(self._waiting.popleft())
                self.dropped += lost
                self._start += lost
                self._cursor = self._start
        if self._mark is not None and self._mark < self._start:
            self._mark = None  # so long ago that it was no speech

    @property
    def awaits_transcript(self) -> bool:
        """Whether an utterance has ended that has no transcript yet."""
        return any(utterance.end is not None for utterance in self._utterances)

    def take(self) -> bytes:
        """What is to be sent next, at most a second of what waits: services refuse longer messages."""
        if not self._waiting:
            return b""
        audio = self._waiting.popleft()
        if self._waiting:
            audio = self._joined(audio)
        self._sent.append(audio)
        self._cursor += len(audio)
        if not self._utterances and self._mark is None:
            self._forget(self._cursor - _BEFORE)
        return audio

    def _joined(self, first: bytes) -> bytes:
        taken, size = [first], len(first)
        while self._waiting and size + len(self._waiting[0]) <= _MOST:
            taken.append(self._waiting.popleft())
            size += len(taken[-1])
        return b"".join(taken)

    def suspect(self) -> None:
        """The caller is loud, and the service has not reported it: keep the audio as if it had."""
        if self._mark is None and not self._utterances:
            self._mark = max(self._settled, self._cursor - _BEFORE)

    def began(self) -> None:
        """The service reports speech: an utterance began within the last second of what was taken, or at the mark."""
        begin = self._cursor - _BEFORE if self._mark is None else min(self._mark, self._cursor - _BEFORE)
        self._mark = None
        self._utterances.append(_Utterance(max(self._settled, begin)))

    def ended(self) -> None:
        """The newest utterance ended about where the audio taken so far ends."""
        if self._utterances:
            self._utterances[-1].end = self._cursor

    def settled(self) -> None:
        """The oldest utterance has its transcript, or will have none: its audio is not needed any more."""
        self._replays, self._mark = 0, None
        done = self._utterances.popleft() if self._utterances else None
        self._settled = done.end if done is not None and done.end is not None else self._cursor
        self._forget(self._settled)

    def rewind(self) -> None:
        """Let the next connection begin with the audio that the last one left without a transcript.

        An utterance that was replayed three times in vain is given up.
        """
        begins = [utterance.begin for utterance in self._utterances]
        if self._mark is not None:
            begins.append(self._mark)
        self._utterances.clear()
        self._mark = min(begins, default=None)
        if self._mark is not None:
            self._replays += 1
            if self._replays > _REPLAYS:
                self._mark, self._settled = None, self._cursor
        begin = self._cursor - _BEFORE if self._mark is None else self._mark
        self._move_back(max(begin, self._settled, self._start))

    def _move_back(self, position: int) -> None:
        while self._sent and self._cursor > position:
            piece = self._sent.pop()
            self._cursor -= len(piece)
            if self._cursor < position:
                kept = position - self._cursor
                self._sent.append(piece[:kept])
                piece = piece[kept:]
                self._cursor = position
            self._waiting.appendleft(piece)

    def _forget(self, position: int) -> None:
        while self._sent and self._start + len(self._sent[0]) <= position:
            self._start += len(self._sent.popleft())
