"""Where the caller's frames belong in time: by the carrier's numbers, and by our clock where those do not count.

Pure. A frame arrives after it was spoken, and the network delays each by another time: a recording that placed frames
by arrival would stutter. So frames follow each other by their numbers, a lost one leaves its silence, and a burst after
a stall falls back into its place. Only where a carrier sent nothing and counted nothing does the clock decide.
"""

from collections.abc import Sequence
from typing import Final

from voicecall.recording.segments import CALLER, RATE, Piece

__all__ = ["HELD_BACK", "CallerTimeline", "snapped"]

HELD_BACK: Final = RATE
"""Samples, 1 s: a frame is placed when so much has arrived after it, so that a burst is known as one."""

_FRAME: Final = 160
_LATE: Final = RATE // 4  # all that follows is later than its numbers say by so much: the carrier was silent
_EARLY: Final = RATE  # a frame from so far in the future: its stream counts in another way

_Frame = tuple[int, int, bytes]  # number, sample at which it had arrived, mu-law


class CallerTimeline:
    """`add` each frame in order, `until` takes what can be placed."""

    def __init__(self) -> None:
        self._waiting: list[_Frame] = []
        self._next: tuple[int, int] | None = None  # the number that follows, and where it belongs

    def add(self, number: int, arrived: int, mulaw: bytes) -> None:
        self._waiting.append((number, arrived, mulaw))

    def until(self, arrived: int) -> list[Piece]:
        """The frames that had arrived by then, placed."""
        count = sum(frame[1] <= arrived for frame in self._waiting)
        if not count:
            return []
        places = self._places()
        taken = self._waiting[:count]
        last_number, _, last = taken[-1]
        self._next = last_number + 1, places[count - 1] + len(last)
        del self._waiting[:count]
        return _joined([Piece(CALLER, at, mulaw) for at, (_, _, mulaw) in zip(places, taken, strict=False)])

    def _places(self) -> list[int]:
        """Where each waiting frame belongs."""
        places = self._by_number()
        lags = [arrived - len(mulaw) - place for place, (_, arrived, mulaw) in zip(places, self._waiting, strict=True)]
        least = _least_from_here(lags)
        shift = least[0] if self._next is None else 0
        placed = []
        for place, lag, lowest in zip(places, lags, least, strict=True):
            if lowest - shift > _LATE:
                shift = lowest
            elif lag - shift < -_EARLY:
                shift = lag
            placed.append(place + shift)
        return placed

    def _by_number(self) -> list[int]:
        first = self._waiting[0][0]
        number, at = self._next if self._next is not None else (first, 0)
        places = []
        for frame, _, mulaw in self._waiting:
            at += max(0, frame - number) * _FRAME
            places.append(at)
            number, at = frame + 1, at + len(mulaw)
        return places


def snapped(at: float, expected: int) -> int:
    """The sample of a time in samples; that which is expected, when it is no farther than rounding."""
    return expected if abs(at - expected) <= 1 else round(at)


def _least_from_here(values: Sequence[int]) -> list[int]:
    least = list(values)
    for index in range(len(least) - 2, -1, -1):
        least[index] = min(least[index], least[index + 1])
    return least


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, those that follow each other without a gap as one."""
    runs: list[tuple[Piece, bytearray]] = []
    for piece in pieces:
        if runs and runs[-1][0].at + len(runs[-1][1]) == piece.at:
            runs[-1][1].extend(piece.mulaw)
        else:
            runs.append((piece, bytearray(piece.mulaw)))
    return [Piece(first.side, first.at, bytes(audio)) for first, audio in runs]
