"""Caller audio on its way to the worker: metered, ordered, held while no worker is attached, batched in silence.

Sans-IO. `media` meters the frames of one socket; `streams` orders, holds and batches them. Knows frame numbers and
mu-law; does not know where the worker is.
"""

from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

__all__ = [
    "BATCH",
    "HELD_FRAMES",
    "LINGER_FRAMES",
    "RECENT_FRAMES",
    "REORDERED_FRAMES",
    "FlowMeter",
    "Run",
    "SilenceBatcher",
    "Uplink",
]

RECENT_FRAMES: Final = 40
"""Frames that a worker got last and the next one gets again, 0.8 s: speech that had begun and was not reported yet."""

HELD_FRAMES: Final = 300
"""20 ms frames held while no worker is attached, or none is reached: six seconds, more than a failover of Redis takes.
Beyond that the oldest are dropped."""

REORDERED_FRAMES: Final = 3
"""Frames that wait for a missing one, 60 ms: Telnyx documents that its media packets may arrive out of order."""

_FARTHEST_JUMP: Final = 3_000  # frames, one minute: a farther jump is a wrong number, not loss

_BYTES_PER_S: Final = 16_000.0  # twice real time
_BURST_BYTES: Final = 40_000.0  # what a network delivers at once after a stall of five seconds
_FRAME_BYTES: Final = 160

BATCH: Final = 5
"""Quiet frames per message: a tenth of a second."""

LINGER_FRAMES: Final = 50
"""Quiet frames that are still sent one by one after speech: STT counts them to find the end of an utterance."""

_CLICKS: Final = 8  # louder samples that a quiet frame may hold, for a crackling line
# Codes of samples up to about 250 of 32,767, -42 dB: line noise is at -50 and below, speech at -30 and above.
_QUIET_CODES: Final = bytes(range(0x68, 0x80)) + bytes(range(0xE8, 0x100))

Run = tuple[int, bytes]
"""Number of the first frame, and the audio of it and of the frames that follow without a gap."""


class FlowMeter:
    """Token bucket that allows twice real time: 40,000 bytes, refilled at 16,000 bytes a second."""

    def __init__(self, now: float) -> None:
        self._left = _BURST_BYTES
        self._at = now

    def takes(self, size: int, now: float) -> bool:
        """Whether a message with `size` bytes of audio is within the limit. Each message costs at least one frame."""
        self._left = min(_BURST_BYTES, self._left + (now - self._at) * _BYTES_PER_S)
        self._at = now
        self._left -= max(size, _FRAME_BYTES)
        return self._left >= 0


class Uplink:
    """Orders the frames of one stream, and holds them while no worker is attached."""

    def __init__(self) -> None:
        self._next = 1
        self._shift = 0  # added to the carrier's numbers after a jump beyond _FARTHEST_JUMP
        self._early: dict[int, bytes] = {}  # frames that arrived before the one that is due
        self._held: deque[tuple[int, bytes]] = deque(maxlen=HELD_FRAMES)
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=RECENT_FRAMES)
        self.late = 0
        """Frames that arrived too late or twice: dropped."""
        self.lost = 0
        """Frames that were missing when their turn came."""
        self.overflowed = 0
        """Held frames dropped because no worker attached in time."""

    def order(self, chunk: int, mulaw: bytes) -> Sequence[Run]:
        """Takes the carrier's frame `chunk`; returns the frames that are now in order, each with its number.

        A frame that is due is returned at once. An early one waits for those before it, until `REORDERED_FRAMES` wait;
        then the missing ones are lost. `chunk` 0 is a frame without a number: it counts as the next one.
        """
        number = chunk + self._shift if chunk else self._next
        if number == self._next and not self._early:
            self._next = number + 1
            return ((number, mulaw),)
        if self._next == 1 and not self._early:
            self._next = number  # the first frame of the stream: nothing is missing before it
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

    def _pass(self, until: int) -> list[Run]:
        """Give up what is missing before frame `until`, and return what now follows without a gap."""
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

    def sent(self, number: int, mulaw: bytes) -> None:
        """Remember a frame that goes to the worker, for `recall`."""
        self._recent.append((number, mulaw))

    def recall(self) -> None:
        """Hold the frames that the worker got last, before what is held already."""
        self._held.extendleft(reversed(self._recent))
        self._recent.clear()

    def release(self) -> list[Run]:
        """Everything held, oldest first, as runs without a gap; nothing is held afterwards.

        What was sent and comes back undelivered is held later than newer frames, and may be several frames in one.
        """
        runs: list[tuple[int, bytearray]] = []
        after = None
        for number, mulaw in sorted(self._held, key=itemgetter(0)):
            if number != after:
                runs.append((number, bytearray()))
            runs[-1][1].extend(mulaw)
            after = number + -(-len(mulaw) // _FRAME_BYTES)
        self._held.clear()
        return [(first, bytes(audio)) for first, audio in runs]


class SilenceBatcher:
    """Batches silent frames of one stream: five per message while the caller is quiet; speech is never delayed.

    A frame costs bus, worker and STT about as much as five together, and most of a call is listening. The first frame
    that is not quiet leaves at once, with the silence that waited before it. Frame numbers rise; a gap ends a run.
    """

    def __init__(self) -> None:
        self.noisy = False
        """Whether the newest frame is no silence."""
        self._quiet = 0  # quiet frames in a row
        self._first = 0
        self._held: list[bytes] = []

    def take(self, number: int, mulaw: bytes) -> list[Run]:
        """Takes the next frame; returns the runs to send now, oldest first."""
        quiet = len(mulaw) == _FRAME_BYTES and len(mulaw.translate(None, _QUIET_CODES)) <= _CLICKS
        self.noisy = not quiet
        self._quiet = self._quiet + 1 if quiet else 0
        if not self._held and self._quiet <= LINGER_FRAMES:
            return [(number, mulaw)]
        runs = [self._run()] if self._held and number != self._first + len(self._held) else []
        if not self._held:
            self._first = number
        self._held.append(mulaw)
        if not quiet or len(self._held) >= BATCH:
            runs.append(self._run())
        return runs

    def forget(self) -> None:
        """Drop the silence that waits: no worker is attached."""
        self._held.clear()

    def _run(self) -> Run:
        run = self._first, b"".join(self._held)
        self._held.clear()
        return run
