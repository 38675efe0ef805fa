"""The media streams of this ingress: each joins a carrier's socket to the worker that owns its call.

`media` accepts sockets and reads them; a `Stream` sends frames to the worker and its audio to the socket. It fences by
epoch (guarantee P1): what an older owner sends is dropped, and what it had queued is dropped when a newer owner
appears. Events go to the log through the stream's outbox.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final, Protocol, assert_never

from ingress.outbox import Outbox
from ingress.pacer import Pacer
from ingress.played import PlayedFrames, PlayedTwice
from ingress.playout import Flush, Playout, SetMark, Step
from ingress.recording import StreamRecorder, StreamRecorders
from ingress.taps import Publish, Tap, Taps
from ingress.uplink import SilenceBatcher, Uplink
from voicecall import metrics
from voicecall.call.events import DtmfReceived, Event, PlaybackBegan, PlaybackDone, StreamClosed, StreamOpened
from voicecall.call.ids import CallId, Epoch, LegId, NodeId, StreamId
from voicecall.ports import (
    NO_OWNER,
    Attach,
    CallerAudio,
    Clear,
    Detach,
    Finish,
    FirstAudio,
    IngressMedia,
    Listen,
    MediaCodec,
    MediaItem,
    Pause,
    Play,
    RecordStream,
    RelayIn,
    Resume,
    Say,
)

__all__ = ["MediaSocket", "Stream", "Streams"]

_log = logging.getLogger(__name__)

_ATTACHED_FOR_S: Final = 2.5  # a worker repeats its Attach every second; after this long without one it is gone
_HANDED_OVER_FOR_S: Final = 2.0  # a call without an owner for longer is taken over like that of a dead one
_EPOCHS_KEPT: Final = 4096

_FRAMES_OUT = metrics.MEDIA_FRAMES.labels(direction="out")
_FRAMES_IN = metrics.MEDIA_FRAMES.labels(direction="in")
_FENCED = metrics.FENCED.labels(gate="media")


WorkerItem = Attach | FirstAudio | Play | Say | Finish | Clear | Pause | Resume | Detach | RecordStream


class MediaSocket(Protocol):
    """A carrier's media socket, as a stream uses it."""

    def send(self, frames: list[str]) -> None:
        """Never blocks. Closes the socket when its peer does not read."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Start closing; does nothing when it is closing already."""
        ...


class Stream:
    """One authenticated socket of one call. Runs on the event loop; nothing blocks.

    `reconnects`: when the socket is lost, the carrier opens the next one without asking. `recorders`: record it where
    its worker says so; None: they record nothing.
    """

    is_text = False
    """The carrier hears and speaks (`text_stream`)."""

    def __init__(
        self,
        *,
        call: CallId,
        leg: LegId,
        name: StreamId,
        socket: MediaSocket,
        codec: MediaCodec,
        bus: IngressMedia,
        outbox: Outbox,
        pacer: Pacer,
        reconnects: bool = False,
        recorders: StreamRecorders | None = None,
    ) -> None:
        self.call = call
        self.leg = leg
        self.name = name
        self.socket = socket
        self.outbox = outbox
        self.reconnects = reconnects
        self.epoch = Epoch(0)
        self.opened_at = time.time()
        self._codec = codec
        self._bus = bus
        self._pacer = pacer
        self._playout = Playout()
        self._uplink = Uplink()
        self._silence_batcher = SilenceBatcher()
        self._worker: NodeId | None = None
        self._attached_at = 0.0
        self._is_handed_over = False
        self._tap: Tap | None = None
        self._heard_by_tap: PlayedFrames | None = None
        self._recorders = recorders
        self._recorder: StreamRecorder | None = None
        self._frames_in = 0
        self._frames_out = 0

    # --- from the carrier

    def on_caller_audio(self, chunk: int, mulaw: bytes) -> None:
        """Send a frame of caller audio to the worker; hold it while none is attached."""
        for number, frame in self._uplink.order(chunk, mulaw):
            self._frames_in += 1
            if self._tap is not None:
                self._tap.on_caller_audio(number, frame)
            if self._recorder is not None:
                self._recorder.on_caller_audio(number, frame)
            if self._worker is not None and self._pacer.clock() - self._attached_at < _ATTACHED_FOR_S:
                self._uplink.sent(number, frame)
                for first, audio in self._silence_batcher.take(number, frame):
                    self._bus.send_audio(self._worker, self.call, self.name, first, audio)
            else:
                self._silence_batcher.forget()
                self._uplink.hold(number, frame)

    def on_undelivered(self, node: NodeId, audio: CallerAudio) -> None:
        """Audio that was sent to a worker that is gone: hold it for the next one, or send it there."""
        if self._worker == node:
            self._worker = None
        if self._worker is None:
            self._uplink.hold(audio.first, audio.mulaw)
        else:
            self._bus.send(self._worker, audio)

    def on_key(self, digit: str) -> None:
        self.outbox.put(DtmfReceived(digits=digit))

    def on_text(self, item: RelayIn) -> None:
        """Of a carrier that hears and speaks; this socket carries audio."""
        del item

    def on_mark(self, name: str) -> None:
        self._carry_out(self._playout.marked(name, self._pacer.clock()))

    # --- someone listens in

    def copy_to(self, tap: Tap | None) -> None:
        """Copy the audio of both sides to this tap from now on; None: to none."""
        self._tap = tap
        self._heard_by_tap = None if tap is None else tap.begin()
        self._share_played()

    def _record(self, *, on: bool) -> None:
        """Begin or end the recording of this stream; nothing, when that has been done."""
        if self._recorders is None or on == (self._recorder is not None):
            return
        if self._recorder is not None:
            self._recorders.end(self._recorder)
        self._recorder = self._recorders.begin(self.call, self.name) if on else None
        self._share_played()

    def _share_played(self) -> None:
        places = [self._heard_by_tap, None if self._recorder is None else self._recorder.played]
        played = [place for place in places if place is not None]
        self._playout.played = PlayedTwice(*played) if len(played) > 1 else played[0] if played else None

    @property
    def records(self) -> bool:
        """Whether this ingress can record."""
        return self._recorders is not None and not self.is_text

    # --- moments in which the socket may be closed for a restart (`drain`)

    @property
    def is_noisy(self) -> bool:
        """The caller makes a sound."""
        return self._silence_batcher.noisy

    @property
    def is_between(self) -> bool:
        """No utterance is being heard."""
        return self._playout.is_between

    @property
    def is_deferring(self) -> bool:
        """An utterance waits that has not begun, and none is being heard."""
        return self._playout.is_deferring

    def defer(self, seconds: float) -> None:
        """Begin no utterance for so long."""
        self._playout.defer(self._pacer.clock() + seconds)

    # --- from the worker

    def on_worker_item(self, item: WorkerItem) -> None:
        """Carry out an item from the worker; one with an older epoch is dropped."""
        if item.epoch < self.epoch:
            _FENCED.inc()
            return
        if item.epoch > self.epoch:
            self.epoch = item.epoch
            self._worker = None
            self._hand_over(for_restart=self._is_handed_over)
            self._is_handed_over = False
        if self._worker is None and isinstance(item, FirstAudio | Play | Say | Finish):
            # Meant for the socket before this one: its worker does not know yet that the carrier has opened another.
            metrics.MEDIA_DROPPED.labels(reason="other-stream").inc()
        else:
            self._take(item)

    def _hand_over(self, *, for_restart: bool) -> None:
        """A new owner sends from here on: drop what the old one had queued."""
        self._carry_out(_marked(self._playout.hand_over(), for_restart=for_restart))

    def _take(self, item: WorkerItem) -> None:
        now = self._pacer.clock()
        match item:
            case Attach(node=node, stream=stream):
                if stream == self.name:
                    self._owned_by(node, now)
            case FirstAudio():
                self._playout.first_audio(item.utterance, item.synthesis_ms, item.failover)
            case Play(utterance=utterance, mulaw=mulaw):
                self._speak(self._playout.play(utterance, mulaw, now))
            case Finish(utterance=utterance):
                self._speak(self._playout.finish(utterance, now))
            case Clear() | Pause() | Resume():
                self._speak(self._halted(item, now))
            case Say():
                metrics.MEDIA_DROPPED.labels(reason="no-text").inc()
            case RecordStream(on=on):
                self._record(on=on)
            case Detach():
                self.socket.close(1000, "call over")
            case _:
                assert_never(item)

    def _owned_by(self, node: NodeId, now: float) -> None:
        if node == NO_OWNER:
            self._await_next_owner(now)
        else:
            self._attach(node, now)

    def _halted(self, item: Clear | Pause | Resume, now: float) -> list[Step]:
        match item:
            case Clear():
                return self._playout.clear(now)
            case Pause():
                return self._playout.pause(now)
            case Resume():
                return self._playout.resume(now)
            case _:
                assert_never(item)

    def tick(self, now: float) -> bool:
        """Called by the pacer every 20 ms; False when nothing is left to play."""
        self._carry_out(self._playout.tick(now))
        return not self._playout.idle

    # --- end

    def end(self, *, for_restart: bool = False) -> list[Event]:
        """Stop playing, for the socket is gone. Returns what was heard of each open utterance."""
        self._pacer.remove(self)
        self._worker = None
        self._count_dropped()
        steps = _marked(self._playout.close(self._pacer.clock()), for_restart=for_restart)
        self._record(on=False)
        return [step for step in steps if isinstance(step, PlaybackDone)]

    def _attach(self, node: NodeId, now: float) -> None:
        self._worker = node
        self._attached_at = now
        self._count_frames()
        for first, mulaw in self._uplink.release():
            self._bus.send_audio(node, self.call, self.name, first, mulaw)

    def _await_next_owner(self, now: float) -> None:
        """The owner hands the call over: what it had heard last may be the beginning of a word."""
        if self._worker is not None:
            self._worker = None
            self._silence_batcher.forget()
            self._uplink.recall()
        self._is_handed_over = True
        self._playout.defer(now + _HANDED_OVER_FOR_S)

    def _speak(self, steps: list[Step]) -> None:
        self._carry_out(steps)
        if not self._playout.idle:
            self._pacer.add(self)

    def _carry_out(self, steps: Iterable[Step]) -> None:
        frames: list[str] = []
        for step in steps:
            if isinstance(step, bytes):
                frames.append(self._codec.audio(self.name, step))
                self._frames_out += 1
            elif isinstance(step, SetMark):
                frames.append(self._codec.mark(self.name, step.name))
            elif isinstance(step, Flush):
                frames.append(self._codec.clear(self.name))
            elif isinstance(step, PlaybackBegan | PlaybackDone):
                self.outbox.put(step)
            else:
                assert_never(step)
        if frames:
            self.socket.send(frames)

    def _count_frames(self) -> None:
        # Once a second, because a labelled counter takes a lock: too slow for every frame.
        _FRAMES_IN.inc(self._frames_in)
        _FRAMES_OUT.inc(self._frames_out)
        self._frames_in = self._frames_out = 0

    def _count_dropped(self) -> None:
        self._count_frames()
        metrics.MEDIA_DROPPED.labels(reason="no-room").inc(self._playout.dropped)
        metrics.MEDIA_DROPPED.labels(reason="unheard").inc(self._uplink.overflowed)
        metrics.MEDIA_DROPPED.labels(reason="late").inc(self._uplink.late)
        metrics.MEDIA_DROPPED.labels(reason="lost").inc(self._uplink.lost)


def _marked(steps: list[Step], *, for_restart: bool) -> list[Step]:
    """The steps; those that report an utterance as cut say whether a restart is the reason."""
    return [replace(step, for_restart=for_restart) if isinstance(step, PlaybackDone) else step for step in steps]


class Streams:
    """The current stream of each call. `ingress` is this node's name, reported in StreamOpened.

    Set `is_stopping` when this process stops, and `resume_after_s` when no other takes over: reported with the end of
    each stream. `on_ended` is called with each stream whose socket is gone or replaced. `publish`: sends the audio of a
    call to those who listen in; None: no one can. `clock`: as of the pacer.
    """

    def __init__(
        self,
        ingress: NodeId,
        on_ended: Callable[[Stream], None] | None = None,
        *,
        publish: Publish | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ingress = ingress
        self._on_ended = on_ended
        self._taps = None if publish is None else Taps(publish, clock, self._on_tap)
        self.is_stopping = False
        self.resume_after_s = 0.0
        self._current: dict[CallId, Stream] = {}
        # A stale worker may still send when a call reconnects on a new socket: the newest epoch is kept across sockets.
        self._epochs: OrderedDict[CallId, Epoch] = OrderedDict()

    def __len__(self) -> int:
        return len(self._current)

    def __iter__(self) -> Iterator[Stream]:
        return iter(tuple(self._current.values()))

    def open(self, stream: Stream) -> None:
        """Make this the stream of its call. An older one is closed, and its end is not reported as StreamClosed."""
        old = self._current.pop(stream.call, None)
        ended: list[Event] = []
        if old is not None:
            ended = old.end()
            self._remember(old)
        stream.epoch = self._epochs.pop(stream.call, Epoch(0))
        self._current[stream.call] = stream
        self._on_tap(stream.call)
        opened = StreamOpened(
            stream=stream.name,
            ingress=self._ingress,
            leg=stream.leg,
            pauses=not stream.is_text,
            records=stream.records,
        )
        stream.outbox.put(*ended, opened)
        if old is not None:
            _log.info("media stream replaced", extra={"call_id": stream.call, "stream": stream.name})
            old.socket.close(1000, "replaced")

    def close(self, stream: Stream) -> None:
        """Report the end of a stream whose socket is gone."""
        if self._current.get(stream.call) is not stream:
            return
        del self._current[stream.call]
        self._remember(stream)
        ended = stream.end(for_restart=self.is_stopping)
        stream.outbox.put(*ended, StreamClosed(stream=stream.name, resume_after_s=self.resume_after_s))

    def deliver(self, item: MediaItem) -> None:
        """Give an item from the media bus to the stream of its call."""
        if isinstance(item, Listen):
            if self._taps is not None:
                self._taps.renew(item)
            return
        stream = self._current.get(item.call)
        if isinstance(item, CallerAudio) or stream is None:
            metrics.MEDIA_DROPPED.labels(reason="no-stream").inc()
            return
        stream.on_worker_item(item)

    def on_undelivered(self, node: NodeId, items: list[MediaItem]) -> None:
        """`node` does not listen on the media bus: hold the caller audio until the calls' new owners attach."""
        for item in items:
            stream = self._current.get(item.call)
            if isinstance(item, CallerAudio) and stream is not None and stream.name == item.stream:
                stream.on_undelivered(node, item)

    async def close_taps(self) -> None:
        """No one listens in any more."""
        if self._taps is not None:
            await self._taps.close()

    def _on_tap(self, call: CallId) -> None:
        """The stream of this call is another one, or someone begins to listen in, or the last one has ended."""
        stream = self._current.get(call)
        if stream is not None and self._taps is not None:
            stream.copy_to(self._taps.of(call))

    def _remember(self, stream: Stream) -> None:
        if self._on_ended is not None:
            self._on_ended(stream)
        self._epochs[stream.call] = stream.epoch
        while len(self._epochs) > _EPOCHS_KEPT:
            self._epochs.popitem(last=False)
