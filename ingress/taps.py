"""Who listens in to which call at this ingress, and what each is sent: the caller as received, the agent as played.

A gateway asks for a call's audio, for a few seconds at a time (`voicecall/bus/media/taps.py`). Then the stream of the
call copies its frames here, ten times a second what has gathered is published, and what Redis does not take in time is
lost. A call that no one listens in to costs one comparison per frame. Nothing here waits for a listener, and nothing of
a call waits for this.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from ingress.played import PlayedFrames
from voicecall import metrics
from voicecall.aio import end
from voicecall.bus.media.taps import AGENT, CALLER, Sound
from voicecall.call.ids import CallId
from voicecall.errors import BusUnavailable
from voicecall.ports import Listen

__all__ = ["Tap", "Taps"]

_log = logging.getLogger(__name__)

_EVERY_S: Final = 0.1
_BOUND: Final = 200  # frames of the caller that wait, 4 s
_LISTENERS: Final = 8  # of one call
_LONGEST_LEASE_S: Final = 30.0
_BYTES_PER_S: Final = 8_000
_APART_S: Final = 1.0  # frames in a row are placed one after the other until the clock says otherwise by so much
_TOUCHING_MS: Final = 1.0

Publish = Callable[[Sequence[str], Sequence[Sound]], Awaitable[list[str]]]
"""Sends sounds to listeners, and returns those that are gone. Raises BusUnavailable."""


class Tap:
    """The audio of one call for its listeners. `clock`: that of the playout, monotonic seconds."""

    def __init__(self, call: CallId, publish: Publish, clock: Callable[[], float]) -> None:
        self._call = call
        self._publish = publish
        self._clock = clock
        self._epoch_s = time.time() - clock()
        self._listeners: dict[str, float] = {}  # until when each listens
        self._waiting: deque[Sound] = deque(maxlen=_BOUND)
        self._number = 0  # of the caller's next frame, and where it belongs
        self._place_s = 0.0
        self.played = PlayedFrames()
        """Of the current stream; its playout notes there what it sends."""

    def renew(self, listener: str, lease_s: float) -> None:
        """This listener gets the audio of the next `lease_s`."""
        if listener in self._listeners or len(self._listeners) < _LISTENERS:
            self._listeners[listener] = self._clock() + min(lease_s, _LONGEST_LEASE_S)

    def begin(self) -> PlayedFrames:
        """Another stream carries the call: what the one before had not played is not heard."""
        self._keep_played()
        self._number, self.played = 0, PlayedFrames()
        return self.played

    def on_caller_audio(self, number: int, mulaw: bytes) -> None:
        """Frame `number` of the caller has arrived."""
        length_s = len(mulaw) / _BYTES_PER_S
        by_clock = self._clock() - length_s
        if number != self._number or abs(self._place_s - by_clock) > _APART_S:
            self._place_s = by_clock
        if len(self._waiting) == _BOUND:
            metrics.MEDIA_DROPPED.labels(reason="listener").inc()
        self._waiting.append(self._sound(CALLER, self._place_s, mulaw))
        self._number, self._place_s = number + 1, self._place_s + length_s

    async def run(self) -> None:
        """Publish until the last listener is gone, or its lease is over."""
        while self._drop_expired():
            await asyncio.sleep(_EVERY_S)
            self._keep_played()
            sounds = _joined(self._waiting)
            self._waiting.clear()
            if sounds:
                await self._send(sounds)

    async def _send(self, sounds: list[Sound]) -> None:
        try:
            gone = await self._publish(tuple(self._listeners), sounds)
        except BusUnavailable as error:
            metrics.MEDIA_DROPPED.labels(reason="listener").inc(len(sounds))
            _log.warning("audio for listeners dropped", extra={"call_id": self._call, "error": str(error)})
            return
        for listener in gone:
            self._listeners.pop(listener, None)

    def _keep_played(self) -> None:
        self._waiting.extend(self._sound(AGENT, at, mulaw) for at, mulaw in self.played.until(self._clock()))

    def _drop_expired(self) -> bool:
        """Whether anyone still listens."""
        now = self._clock()
        self._listeners = {name: until for name, until in self._listeners.items() if until > now}
        return bool(self._listeners)

    def _sound(self, side: int, at_s: float, mulaw: bytes) -> Sound:
        return Sound(side, (self._epoch_s + at_s) * 1000, mulaw)


def _joined(sounds: Iterable[Sound]) -> list[Sound]:
    """The sounds, those of one side that follow each other without a gap as one."""
    joined: list[Sound] = []
    newest: dict[int, int] = {}  # place in `joined` by side
    for sound in sounds:
        place = newest.get(sound.side)
        before = None if place is None else joined[place]
        if place is not None and before is not None and abs(_end_ms(before) - sound.at_ms) < _TOUCHING_MS:
            joined[place] = Sound(sound.side, before.at_ms, before.mulaw + sound.mulaw)
        else:
            newest[sound.side] = len(joined)
            joined.append(sound)
    return joined


def _end_ms(sound: Sound) -> float:
    return sound.at_ms + len(sound.mulaw) * 1000 / _BYTES_PER_S


class Taps:
    """The taps of this ingress, by call. `on_change(call)` is called when one begins and when it is over."""

    def __init__(self, publish: Publish, clock: Callable[[], float], on_change: Callable[[CallId], None]) -> None:
        self._publish = publish
        self._clock = clock
        self._on_change = on_change
        self._taps: dict[CallId, Tap] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, call: CallId) -> Tap | None:
        """The tap of this call while someone listens in."""
        return self._taps.get(call)

    def renew(self, item: Listen) -> None:
        """Copy the call's audio to this listener, from now on or for longer."""
        tap = self._taps.get(item.call)
        if tap is not None:
            tap.renew(item.listener, item.lease_ms / 1000)
            return
        tap = self._taps[item.call] = Tap(item.call, self._publish, self._clock)
        tap.renew(item.listener, item.lease_ms / 1000)
        task = asyncio.create_task(self._run(item.call, tap))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            await end(task)

    async def _run(self, call: CallId, tap: Tap) -> None:
        self._on_change(call)
        try:
            await tap.run()
        finally:
            del self._taps[call]
            self._on_change(call)
