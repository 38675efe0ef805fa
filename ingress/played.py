"""The frames of one stream that the caller hears, each with the moment at which it was played.

Sans-IO. The playout notes here what it sends, while someone listens in. A frame counts when it has been played: what
is cleared or taken back before is not in it, as little as in what the caller hears. Knows no socket and no listener.
"""

from collections import deque
from typing import Final

__all__ = ["PlayedFrames", "PlayedTwice"]

_BYTES_PER_S: Final = 8_000
_MOST: Final = 256  # frames, 5 s: more than a carrier buffers, should no one take them


class PlayedFrames:
    """Every time is seconds of the playout's clock; audio is mu-law."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, bytes]] = deque(maxlen=_MOST)  # when each has been played, and its audio

    def sent(self, frame: bytes, ends_at: float) -> None:
        """The frame was sent; it will have been played at `ends_at`."""
        self._frames.append((ends_at, frame))

    def cut(self, now: float) -> None:
        """The carrier's buffer was cleared: of what is left, only the part that was played until now is heard."""
        kept = []
        for ends_at, frame in self._frames:
            heard = len(frame) - max(0, round((ends_at - now) * _BYTES_PER_S))
            if heard > 0:
                kept.append((min(ends_at, now), frame[:heard]))
        self._frames = deque(kept, maxlen=_MOST)

    def take_back(self, size: int) -> None:
        """The newest `size` bytes, whole frames, were taken back; they are sent again later."""
        while size > 0 and self._frames:
            size -= len(self._frames.pop()[1])

    def move(self, seconds: float) -> None:
        """What has not been played is played so much later."""
        self._frames = deque(((ends_at + seconds, frame) for ends_at, frame in self._frames), maxlen=_MOST)

    def until(self, now: float) -> list[tuple[float, bytes]]:
        """What has been played since it was asked last: when each frame began, and its audio."""
        played = []
        while self._frames and self._frames[0][0] <= now:
            ends_at, frame = self._frames.popleft()
            played.append((ends_at - len(frame) / _BYTES_PER_S, frame))
        return played


class PlayedTwice:
    """Notes the same in two places: someone listens in to a call that is recorded."""

    def __init__(self, *places: PlayedFrames) -> None:
        self._places = places

    def sent(self, frame: bytes, ends_at: float) -> None:
        for place in self._places:
            place.sent(frame, ends_at)

    def cut(self, now: float) -> None:
        for place in self._places:
            place.cut(now)

    def take_back(self, size: int) -> None:
        for place in self._places:
            place.take_back(size)

    def move(self, seconds: float) -> None:
        for place in self._places:
            place.move(seconds)
