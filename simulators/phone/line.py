"""The phone line of one answered call: what its callee hears and says, 20 ms at a time.

`hearing` plays queued audio in real time and reports the marks it passes; `voice` speaks tone code. Both directions are
recorded sample for sample. The line knows nothing of sockets or TwiML: a stream or a verb queues audio.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from simulators.phone.room import Room
from simulators.tones import encode_mulaw, mulaw_from_pcm16

__all__ = ["FRAME_BYTES", "FRAME_MS", "SILENCE", "Hearing", "Line", "Recording", "Voice"]

FRAME_MS = 20
FRAME_BYTES = 160
SILENCE = b"\xff" * FRAME_BYTES

_BEEP_SAMPLES = 4000


_NOISE_HZ = 200  # the START of tone code: a listener notices an utterance that has no words


def _tone_frames(hertz: float, samples: int) -> list[bytes]:
    wave = np.sin(np.arange(samples) * (2 * np.pi * hertz / 8000)) * 8000
    audio = mulaw_from_pcm16(wave.astype("<i2").tobytes())
    return [audio[start : start + FRAME_BYTES] for start in range(0, len(audio), FRAME_BYTES)]


_BEEP = _tone_frames(1000, _BEEP_SAMPLES)

MarkPassed = Callable[[str, str], None]
"""Receives the mark's name and how it came back: "reached" or "cleared"."""


class Recording:
    """One direction of a call, from the moment of answer. Silence takes no memory until the audio is read."""

    def __init__(self) -> None:
        self._frames: list[tuple[int, bytes]] = []

    def put(self, index: int, frame: bytes) -> None:
        """Keep a 20 ms frame played at tick `index`."""
        self._frames.append((index, frame))

    def mulaw(self, ticks: int) -> bytes:
        """The first `ticks` frames as mu-law 8 kHz, with silence where nothing was played."""
        audio = bytearray(SILENCE * ticks)
        for index, frame in self._frames:
            audio[index * FRAME_BYTES : (index + 1) * FRAME_BYTES] = frame
        return bytes(audio)


class Hearing:
    """The playout queue: audio waits here and is heard in real time."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._tail = b""
        self._marks: deque[tuple[int, str]] = deque()
        self.queued = 0
        """Bytes ever queued, and `played`: bytes ever heard to their end, or dropped."""
        self.played = 0
        self._sounding = 0
        self.on_mark: MarkPassed | None = None

    def put(self, audio: bytes) -> None:
        """Queue mu-law audio of any length."""
        self.queued += len(audio)
        if len(audio) == FRAME_BYTES and not self._tail:
            self._frames.append(audio)
            return
        audio = self._tail + audio
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._frames.extend(audio[start : start + FRAME_BYTES] for start in range(0, whole, FRAME_BYTES))
        self._tail = audio[whole:]

    def mark(self, name: str) -> None:
        """Set a mark behind the queued audio. With an empty queue it is passed at once."""
        if self.played >= self.queued:
            self._passed(name, "reached")
        else:
            self._marks.append((self.queued, name))

    def clear(self) -> int:
        """Drop the queued audio; its marks are returned as "cleared". Returns the milliseconds dropped."""
        dropped = self.queued - self.played - self._sounding
        self._frames.clear()
        self._tail = b""
        # The 20 ms that are being played cannot be dropped.
        self.played = self.queued - self._sounding
        while self._marks:
            self._passed(self._marks.popleft()[1], "cleared")
        return dropped // 8

    def next_frame(self) -> bytes | None:
        """The last 20 ms are over: the next frame, or None when nothing is queued."""
        self.played += self._sounding
        while self._marks and self._marks[0][0] <= self.played:
            self._passed(self._marks.popleft()[1], "reached")
        frame = self._frames.popleft() if self._frames else self._tail
        self._sounding = len(frame)
        if self._sounding < FRAME_BYTES:
            self._tail = b""
            return frame.ljust(FRAME_BYTES, b"\xff") if frame else None
        return frame

    def _passed(self, name: str, why: str) -> None:
        if self.on_mark is not None:
            self.on_mark(name, why)


class Voice:
    """What the callee says: tone code in real time, one utterance after the other."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()

    def say(self, text: str) -> None:
        """Queue an utterance of tone code."""
        self.play(encode_mulaw(text))

    def play(self, audio: bytes) -> None:
        """Queue an utterance, as mu-law."""
        for start in range(0, len(audio), FRAME_BYTES):
            self._frames.append(audio[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff"))

    def beep(self) -> None:
        """Half a second of one tone, which decodes to no character."""
        self._frames.extend(_BEEP)

    def noise(self, ms: float) -> None:
        """A sound that lasts so long and has no words."""
        self._frames.extend(_tone_frames(_NOISE_HZ, round(ms / FRAME_MS) * FRAME_BYTES))

    def purge(self) -> None:
        """Stop speaking in mid-word."""
        self._frames.clear()

    @property
    def speaking(self) -> bool:
        return bool(self._frames)

    def next_frame(self) -> bytes | None:
        """The next 20 ms spoken, or None for silence."""
        return self._frames.popleft() if self._frames else None


class Line:
    """Both directions of one call on one clock. `tick` is called each 20 ms from the moment of answer."""

    def __init__(self) -> None:
        self.hearing = Hearing()
        self.speaker = Voice()
        self.room = Room()
        self.heard = Recording()
        self.said = Recording()
        self.ticks = 0
        self.answered_at = time.time()
        """Epoch seconds of the first sample; `starts` aligns it to the tick."""
        self.last_heard_tick = -1
        """The latest tick at which something other than silence was heard."""
        self.carry: Callable[[bytes | None], None] | None = None
        """Receives each 20 ms the callee says (None: silence). Set by a media stream while it is open."""
        self.listen: Callable[[bytes | None], None] | None = None
        """Receives each 20 ms the callee hears. Set only when the persona needs it, because decoding costs CPU."""
        self.listener_ends: Callable[[], None] | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    @property
    def now_ms(self) -> int:
        """Milliseconds since answer."""
        return self.ticks * FRAME_MS

    def starts(self, first_tick: float) -> None:
        """Anchor the recording: monotonic time of the first tick."""
        self.answered_at = time.time() + (first_tick - time.monotonic())

    def tick(self) -> None:
        """Advance by 20 ms."""
        heard = self.hearing.next_frame()
        if heard is not None:
            self.heard.put(self.ticks, heard)
            if heard != SILENCE:
                self.last_heard_tick = self.ticks
        said = self.room.mix(self.speaker.next_frame(), heard)
        if said is not None:
            self.said.put(self.ticks, said)
        if self.carry is not None:
            self.carry(said)
        if self.listen is not None:
            self.listen(heard)
        self.ticks += 1
        if self._waiting:
            self._wake()

    def hang_up(self) -> None:
        """End the line. A decoder reports the utterance in progress."""
        if self.listener_ends is not None:
            self.listener_ends()

    async def until(self, true: Callable[[], bool]) -> None:
        """Return at the first tick at which the condition holds; at once when it already holds."""
        if true():
            return
        future = asyncio.get_running_loop().create_future()
        entry = (true, future)
        self._waiting.append(entry)
        try:
            await future
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    async def play(self, audio: bytes) -> None:
        """Play this to the callee; returns when it was heard to the end. Cancellation drops the rest."""
        self.hearing.put(audio)
        end = self.hearing.queued
        try:
            await self.until(lambda: self.hearing.played >= end)
        except asyncio.CancelledError:
            self.hearing.clear()
            raise

    async def pause(self, milliseconds: float) -> None:
        """Wait for line time to pass."""
        end = self.now_ms + milliseconds
        await self.until(lambda: self.now_ms >= end)

    def _wake(self) -> None:
        held = []
        for entry in self._waiting:
            if not entry[1].done() and entry[0]():
                entry[1].set_result(None)
            elif not entry[1].done():
                held.append(entry)
        self._waiting = held
