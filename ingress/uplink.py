"""What the caller says, on its way to the worker: checked, kept in order, and held back until somebody listens.

Sans-IO. `streams` feeds it the frames of one media socket and sends on what comes out. Knows frame numbers and how much
audio a second can hold; does not know where the worker is.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

__all__ = ["HELD_FRAMES", "REORDERED_FRAMES", "FlowMeter", "Uplink"]

HELD_FRAMES: Final = 100
"""Two seconds of 20 ms frames wait for a worker; then the newest win."""

REORDERED_FRAMES: Final = 3
"""So many frames wait, 60 ms, for one that others overtook: Telnyx does not promise their order."""

_FARTHEST_JUMP: Final = 3_000  # frames, one minute: a number beyond it is nonsense, not loss

_BYTES_PER_S: Final = 16_000.0  # twice real time
_BURST_BYTES: Final = 40_000.0  # a network that held its breath for five seconds
_FRAME_BYTES: Final = 160


class FlowMeter:
    """Allows twice real time: a bucket of five seconds of audio that refills at 16,000 bytes a second."""

    def __init__(self, now: float) -> None:
        self._left = _BURST_BYTES
        self._at = now

    def takes(self, size: int, now: float) -> bool:
        """Whether a message of this many bytes of audio may come now. None is cheaper than a whole frame."""
        self._left = min(_BURST_BYTES, self._left + (now - self._at) * _BYTES_PER_S)
        self._at = now
        self._left -= max(size, _FRAME_BYTES)
        return self._left >= 0


class Uplink:
    """Frames in; runs of consecutive frames out, each with the number of its first."""

    def __init__(self) -> None:
        self._next = 1
        self._shift = 0  # what we add to the carrier's numbers after a jump that made no sense
        self._early: dict[int, bytes] = {}  # frames that came before the one that is due
        self._held: deque[tuple[int, bytes]] = deque(maxlen=HELD_FRAMES)
        self.late = 0
        """Frames that came after their turn had passed, or twice: dropped."""
        self.lost = 0
        """Frames that never came, or too late."""
        self.overflowed = 0
        """Frames that nobody came to hear."""

    def order(self, chunk: int, mulaw: bytes) -> Sequence[tuple[int, bytes]]:
        """The frames whose turn it is now that the carrier's frame `chunk` has come, each with our number for it.

        A frame that is due goes on at once. One that comes early waits for those before it, until `REORDERED_FRAMES`
        wait; then what is missing is lost. A `chunk` of 0 is a frame without a number: the one that comes next.
        """
        number = chunk + self._shift if chunk else self._next
        if number == self._next and not self._early:
            self._next = number + 1
            return ((number, mulaw),)
        if self._next == 1 and not self._early:
            self._next = number  # the first of all: nothing is missing before it
        ahead = number - self._next
        if abs(ahead) > _FARTHEST_JUMP:
            self._shift -= ahead
            number, ahead = self._next, 0
        if ahead < 0 or number in self._early:
            self.late += 1
            return ()
        self._early[number] = mulaw
        if ahead > REORDERED_FRAMES:
            return self._pass(number)
        if len(self._early) == REORDERED_FRAMES:
            return self._pass(min(self._early))
        return self._pass(self._next)

    def _pass(self, until: int) -> list[tuple[int, bytes]]:
        """Give up what is missing before frame `until`, then let go on what follows without a gap."""
        passed = []
        while self._next < until or self._next in self._early:
            mulaw = self._early.pop(self._next, None)
            if mulaw is None:
                self.lost += 1
            else:
                passed.append((self._next, mulaw))
            self._next += 1
        return passed

    def hold(self, number: int, mulaw: bytes) -> None:
        """Keep a frame until `release`."""
        if len(self._held) == HELD_FRAMES:
            self.overflowed += 1
        self._held.append((number, mulaw))

    def release(self) -> list[tuple[int, bytes]]:
        """Everything held, oldest first: number of the first frame and the audio of each unbroken run."""
        runs: list[tuple[int, bytearray]] = []
        after = None
        for number, mulaw in self._held:
            if number != after:
                runs.append((number, bytearray()))
            runs[-1][1].extend(mulaw)
            after = number + 1
        self._held.clear()
        return [(first, bytes(audio)) for first, audio in runs]
