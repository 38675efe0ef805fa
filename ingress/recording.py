"""Recording at the ingress: the caller as received, the agent as played, in segments that are durable soon after.

The worker says which stream is recorded. The stream copies its frames here, a loop takes what is a few seconds old, and
what it takes is written in threads. Nothing of a call waits for this, and memory is bounded: while the store does not
take what is written, the oldest of it is lost, counted and logged. Gaps show by themselves, because each segment names
the time that it covers.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ingress.played import PlayedFrames
from voicecall import metrics
from voicecall.aio import end
from voicecall.call.ids import CallId, StreamId
from voicecall.errors import RecordingStoreUnavailable
from voicecall.recording import RecordingStore
from voicecall.recording.placement import HELD_BACK, CallerTimeline, snapped
from voicecall.recording.segments import AGENT, RATE, Piece, Segment, end_mark, pack, segment_name

__all__ = ["StreamRecorder", "StreamRecorders"]

_log = logging.getLogger(__name__)

_EVERY_S: Final = 0.5
_SEGMENT: Final = 2 * RATE
_WRITERS: Final = 4
_MOST_BYTES: Final = 32 * 1_048_576  # that wait for the store, of all calls: half an hour of one, 20 s of a hundred
_LOG_EVERY_S: Final = 30.0
_FLUSH_S: Final = 5.0
_RETRY_S: Final = 1.0
_GIVEN_UP_S: Final = 60.0  # after the end of a call; a worker waits a little longer
_FORGOTTEN_S: Final = 600.0  # by then all of it is stored or lost


class StreamRecorder:
    """The recording of one stream. `clock`: that of the playout; `ahead_s`: the time of the system minus its."""

    def __init__(self, call: CallId, stream: StreamId, clock: Callable[[], float], ahead_s: float) -> None:
        self.call = call
        self.stream = stream
        self.played = PlayedFrames()
        """The playout notes there what it sends."""
        self.writer = secrets.token_hex(6)
        self._clock = clock
        self._ahead_s = ahead_s
        self._caller = CallerTimeline()
        self._begin = self._sample(clock())
        self._agent_next = 0
        self._agent: list[Piece] = []

    def on_caller_audio(self, number: int, mulaw: bytes) -> None:
        """Frame `number` of the caller has arrived, in order."""
        self._caller.add(number, self._sample(self._clock()), mulaw)

    def gather(self) -> None:
        """Take what was played; the playout keeps a few seconds only."""
        for at_s, mulaw in self.played.until(self._clock()):
            at = snapped((at_s + self._ahead_s) * RATE, self._agent_next)
            self._agent_next = at + len(mulaw)
            last = self._agent[-1] if self._agent else None
            if last is not None and last.at + len(last.mulaw) == at:
                self._agent[-1] = Piece(AGENT, last.at, last.mulaw + mulaw)
            else:
                self._agent.append(Piece(AGENT, at, mulaw))

    def take(self, *, last: bool = False) -> Segment | None:
        """What is to be written now; None: too little. `last`: everything, nothing follows."""
        self.gather()
        now = self._sample(self._clock())
        until = now if last else now - HELD_BACK
        if until - self._begin < _SEGMENT and not last:
            return None
        pieces = (*self._caller.until(now if last else until), *self._agent)
        segment = Segment(self._begin, max(until, self._begin), pieces)
        self._begin, self._agent = segment.end, []
        return segment

    def _sample(self, clock_s: float) -> int:
        return round((clock_s + self._ahead_s) * RATE)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An object that waits for the store."""

    call: CallId
    name: str
    data: bytes
    is_audio: bool


class StreamRecorders:
    """The recordings of this ingress. `now`: the time of the system, epoch seconds; `clock`: as of the playout."""

    def __init__(self, store: RecordingStore, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._clock = clock
        self._recorders: set[StreamRecorder] = set()
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._writing = 0
        self._logged_at = -_LOG_EVERY_S
        self._ended: dict[CallId, float] = {}  # when the newest stream of a call ended

    def begin(self, call: CallId, stream: StreamId) -> StreamRecorder:
        recorder = StreamRecorder(call, stream, self._clock, self._now() - self._clock())
        self._recorders.add(recorder)
        self._ended.pop(call, None)
        _log.info("recording began", extra={"call_id": call, "stream": stream})
        return recorder

    def end(self, recorder: StreamRecorder) -> None:
        """Nothing follows in this stream: write what is left, and say so in the store."""
        self._recorders.discard(recorder)
        self._ended[recorder.call] = time.monotonic()
        self._write(recorder, recorder.take(last=True))
        mark = end_mark(recorder.call, recorder.stream)
        self._add(_Waiting(recorder.call, mark, b"", is_audio=False))
        _log.info("recording ended", extra={"call_id": recorder.call, "stream": recorder.stream})

    async def run(self) -> None:
        """Take and write until cancelled."""
        writers = [asyncio.create_task(self._write_waiting()) for _ in range(_WRITERS)]
        try:
            while True:
                await asyncio.sleep(_EVERY_S)
                for recorder in tuple(self._recorders):
                    self._write(recorder, recorder.take())
                    await asyncio.sleep(0)  # the frames of all calls go between two recordings
                self._forget_ended()
        finally:
            for writer in writers:
                await end(writer)

    async def flush(self) -> None:
        """Wait until everything is in the store, for a few seconds at most. While `run` runs."""
        deadline = time.monotonic() + _FLUSH_S
        while (self._waiting or self._writing) and time.monotonic() < deadline:  # noqa: ASYNC110  several writers
            await asyncio.sleep(0.02)
        for item in self._waiting:
            self._lose(item)
        self._waiting.clear()

    def _write(self, recorder: StreamRecorder, segment: Segment | None) -> None:
        if segment is not None:
            name = segment_name(recorder.call, segment, recorder.writer)
            self._add(_Waiting(recorder.call, name, pack(segment), is_audio=True))

    def _add(self, item: _Waiting) -> None:
        self._waiting.append(item)
        self._bytes += len(item.data)
        while self._bytes > _MOST_BYTES:
            lost = self._waiting.popleft()
            self._bytes -= len(lost.data)
            self._lose(lost)
        self._arrived.set()

    def _lose(self, item: _Waiting) -> None:
        if item.is_audio:
            metrics.RECORDING_SEGMENTS.labels("lost").inc()
            _log.error("part of a recording lost", extra={"call_id": item.call, "store": self._store.name})

    async def _write_waiting(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            item = self._waiting.popleft()
            self._bytes -= len(item.data)
            self._writing += 1
            try:
                await self._put(item)
            finally:
                self._writing -= 1

    async def _put(self, item: _Waiting) -> None:
        try:
            await asyncio.to_thread(self._store.put, item.name, item.data)
        except RecordingStoreUnavailable as error:
            metrics.RECORDING_SEGMENTS.labels("failed").inc()
            self._log_failure(item, error)
            if self._is_too_late(item.call):
                self._lose(item)
                return
            # To the front: it is the oldest, and the first to go when too much waits.
            self._waiting.appendleft(item)
            self._bytes += len(item.data)
            await asyncio.sleep(_RETRY_S)
        else:
            if item.is_audio:
                metrics.RECORDING_SEGMENTS.labels("stored").inc()

    def _is_too_late(self, call: CallId) -> bool:
        """Whether the recording is joined without what is written from now on."""
        return time.monotonic() - self._ended.get(call, time.monotonic()) > _GIVEN_UP_S

    def _forget_ended(self) -> None:
        now = time.monotonic()
        self._ended = {call: at for call, at in self._ended.items() if now - at < _FORGOTTEN_S}

    def _log_failure(self, item: _Waiting, error: RecordingStoreUnavailable) -> None:
        """At most every 30 s: while a store is down, every segment fails for one reason."""
        if time.monotonic() - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = time.monotonic()
            _log.error("recording not stored, will be retried", extra={"call_id": item.call, "error": str(error)})
