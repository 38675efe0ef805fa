"""Paces audio to one media socket, and computes how much of each utterance the caller has heard.

Sans-IO: audio goes in as the worker sends it; frames and playback events come out when they are due by the `now` that
is passed in. `streams` carries the steps out. Knows no socket, codec or bus.

The carrier plays what it gets in real time, so a clock suffices to know what was heard: everything sent, less what the
carrier's buffer still holds. That buffer is kept small: `LEAD_MS`, plus one frame. What it holds is kept here too: it
is taken back by a pause, and sent again after it, so that the caller misses nothing.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from ingress.played import PlayedFrames, PlayedTwice
from voicecall.call.events import Failover, PlaybackBegan, PlaybackDone

__all__ = [
    "FRAME_BYTES",
    "FRAME_S",
    "LEAD_MS",
    "LIMIT_MS",
    "MARK_GRACE_S",
    "PAUSE_HOLDS_S",
    "Flush",
    "Playout",
    "SetMark",
    "Step",
]

FRAME_BYTES: Final = 160
FRAME_S: Final = 0.020
LEAD_MS: Final = 80
"""Audio in the carrier's buffer: hides jitter, and is lost at every barge-in."""

LIMIT_MS: Final = 5_000
"""Audio that may wait here. Beyond it the oldest is dropped (guarantee P16)."""

MARK_GRACE_S: Final = 2.0
"""A mark that has not returned this long after its audio ended is lost: the clock decides."""

PAUSE_HOLDS_S: Final = 2.0
"""A pause that is not repeated ends after this long: the message that ends it may be lost, or its sender be gone."""

_BYTES_PER_S: Final = 8_000
_BUFFERED_FRAMES: Final = 16  # more than the carrier's buffer ever holds
_TOLERANCE_S: Final = 0.010  # a tick may come this early and still send its frame
_BEHIND_S: Final = 0.030  # this far under the lead, one frame per tick no longer catches up
_MARK_MAY_TAKE_S: Final = 0.060  # without its mark, an utterance that ended so recently may have a last frame to play


@dataclass(frozen=True, slots=True)
class SetMark:
    """Ask the carrier to report when it has played everything up to here."""

    name: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Ask the carrier to drop what it buffers."""


Step = bytes | SetMark | Flush | PlaybackBegan | PlaybackDone
"""What to do now, in order. Bytes are one frame of mu-law to send; the last of an utterance may be shorter."""


class _Utterance:
    __slots__ = (
        "arrived_at", "began", "ends_at", "failover", "finished", "marked", "no", "received", "sent", "synthesis_ms",
        "unplayed", "waiting",
    )  # fmt: skip

    def __init__(self, no: int) -> None:
        self.no = no
        self.began = False
        self.arrived_at: float | None = None  # its first audio
        self.synthesis_ms: int | None = None
        self.failover: Failover | None = None
        self.marked = 0  # how often its mark was set: a flush returns a mark, and its name must not be used again
        self.waiting = bytearray()
        self.unplayed: deque[bytes] = deque(maxlen=_BUFFERED_FRAMES)  # the newest frames that were sent
        self.received = 0  # bytes, including those that were dropped
        self.sent = 0
        self.finished = False
        self.ends_at = 0.0  # when its last sent frame has been played

    @property
    def mark(self) -> str:
        return f"u{self.no}" if self.marked < 2 else f"u{self.no}.{self.marked}"

    def begin(self, now: float) -> PlaybackBegan:
        self.began = True
        queued_ms = None if self.arrived_at is None else round((now - self.arrived_at) * 1000)
        return PlaybackBegan(
            utterance=self.no, synthesis_ms=self.synthesis_ms, queued_ms=queued_ms, failover=self.failover
        )

    def take_back(self, unplayed: int) -> int:
        """Put the frames of the last `unplayed` bytes that were sent before what waits. Returns their length."""
        audio = b""
        while len(audio) < unplayed and self.unplayed:
            audio = self.unplayed.pop() + audio
        self.waiting[:0] = audio
        self.sent -= len(audio)
        return len(audio)

    def done(self, *, unplayed: int, complete: bool) -> PlaybackDone:
        return PlaybackDone(
            utterance=self.no,
            heard_ms=(self.sent - unplayed) // 8,
            total_ms=self.received // 8 if self.finished else None,
            complete=complete,
        )


class Playout:
    """Utterances in order, each played in pieces and finished. Every `now` is seconds of one monotonic clock.

    Each utterance that got audio or an end is reported by exactly one PlaybackDone.
    """

    def __init__(self) -> None:
        self._sending: deque[_Utterance] = deque()  # not sent to their end yet
        self._sent_whole: deque[_Utterance] = deque()  # sent to their end; their marks have not returned
        self._waiting = 0  # bytes waiting in all of `_sending`
        self._dry_at = 0.0  # when the carrier's buffer runs empty
        self._newest = 0  # utterances up to this one are known: late audio for a dropped one is dropped too
        self._paused_until: float | None = None
        self._deferred_until = 0.0  # no utterance begins before
        self.played: PlayedFrames | PlayedTwice | None = None
        """Where each frame is noted that is sent, for a listener; None: nowhere."""
        self.dropped = 0
        """Bytes dropped: beyond the limit, or of an utterance that was done."""

    @property
    def idle(self) -> bool:
        """True when there is nothing to do until new audio or a new item arrives."""
        return not self._sent_whole and self._waiting == 0 and self._paused_until is None

    def first_audio(self, no: int, synthesis_ms: int, failover: Failover | None = None) -> None:
        """How long the voice took to the first audio of an utterance, and which, for the report of its beginning."""
        utterance = self._open(no)
        if utterance is not None:
            utterance.synthesis_ms, utterance.failover = synthesis_ms, failover

    @property
    def is_between(self) -> bool:
        """Whether no utterance is being heard: what was sent has been played, and what waits has not begun."""
        return not self._sent_whole and all(utterance.sent == 0 for utterance in self._sending)

    @property
    def is_deferring(self) -> bool:
        """Whether an utterance waits that has not begun, and none is being heard."""
        return self._waiting > 0 and self.is_between

    def defer(self, until: float) -> None:
        """Begin no utterance before `until`; one that has begun goes on."""
        self._deferred_until = until

    def play(self, no: int, mulaw: bytes, now: float) -> list[Step]:
        """Add audio to an utterance. What the carrier's buffer has room for is sent at once."""
        utterance = self._open(no)
        if utterance is None:
            self.dropped += len(mulaw)
            return []
        if utterance.arrived_at is None:
            utterance.arrived_at = now
        utterance.waiting += mulaw
        utterance.received += len(mulaw)
        self._waiting += len(mulaw)
        self._make_room()
        return self._refill(now)

    def finish(self, no: int, now: float) -> list[Step]:
        """The utterance gets no more audio."""
        utterance = self._open(no)
        if utterance is None:
            return []
        utterance.finished = True
        return self._refill(now)

    def pause(self, now: float) -> list[Step]:
        """Stop playing now, and keep what was not heard. It ends with `resume`, or when it is not repeated in time."""
        if self._paused_until is not None:
            self._paused_until = now + PAUSE_HOLDS_S
            return []
        self._paused_until = now + PAUSE_HOLDS_S
        sent_whole, self._sent_whole = self._sent_whole, deque()
        taken = [self._take_back(utterance, now, marked=False) for utterance in self._sending]
        heard: list[Step] = []
        for utterance in reversed(sent_whole):
            taken.append(self._take_back(utterance, now, marked=True))
            if taken[-1]:
                self._sending.appendleft(utterance)
            else:
                heard.insert(0, utterance.done(unplayed=0, complete=True))
        self._dry_at = now
        if self.played is not None:
            self.played.take_back(sum(taken))
        return [Flush(), *heard] if any(taken) else heard

    def resume(self, now: float) -> list[Step]:
        """Go on with the frame after the last one that was heard."""
        if self._paused_until is None:
            return []
        self._paused_until = None
        return self._refill(now)

    def tick(self, now: float) -> list[Step]:
        """Call every 20 ms while not `idle`: sends the next frame, or several when a tick came late."""
        if self._paused_until is not None:
            return self.resume(now) if now >= self._paused_until else []
        steps = self._send(now, 1) if self._dry_at - now < LEAD_MS / 1000 + _TOLERANCE_S else []
        steps += self._refill(now)
        while self._sent_whole and now > self._sent_whole[0].ends_at + MARK_GRACE_S:
            steps.append(self._sent_whole.popleft().done(unplayed=0, complete=True))
        return steps

    def marked(self, name: str, now: float) -> list[Step]:
        """The carrier returned a mark: that utterance, and every one before it, was heard to its end."""
        if all(sent.mark != name for sent in self._sent_whole):
            return []
        steps: list[Step] = []
        while self._sent_whole:
            utterance = self._sent_whole.popleft()
            steps.append(utterance.done(unplayed=0, complete=True))
            if utterance.mark == name:
                break
        self._catch_up(now)
        return steps

    def clear(self, now: float) -> list[Step]:
        """Stop playing now. Everything unheard is reported as cut."""
        # An utterance whose mark is missing may still be playing: the carrier may be a little behind this clock.
        silenced = bool(self._sent_whole or self._sending) or self._dry_at > now
        steps: list[Step] = [Flush()] if silenced else []
        steps += self.close(now)
        self._dry_at = now
        self._paused_until = None
        return steps

    def close(self, now: float) -> list[Step]:
        """The socket is gone: report every utterance with what was heard of it."""
        if self.played is not None:
            self.played.cut(now)
        steps = self._reports(now)
        self._sent_whole.clear()
        self._drop_waiting()
        return steps

    def hand_over(self) -> list[Step]:
        """A new owner sends from here on (guarantee P1): drop what the old one had queued.

        Frames already sent are still heard, so nothing is flushed; utterances sent to their end keep their marks.
        """
        steps: list[Step] = [utterance.done(unplayed=0, complete=False) for utterance in self._sending]
        self._drop_waiting()
        self._newest = 0
        self._paused_until = None
        self._deferred_until = 0.0
        return steps

    def _open(self, no: int) -> _Utterance | None:
        """The utterance `no`, while it may get audio. A newer one ends those before it: their Finish was lost."""
        if self._sending and self._sending[-1].no == no and not self._sending[-1].finished:
            return self._sending[-1]
        if no <= self._newest:
            return None
        for older in self._sending:
            older.finished = True
        self._newest = no
        self._sending.append(_Utterance(no))
        return self._sending[-1]

    def _make_room(self) -> None:
        excess = self._waiting - LIMIT_MS * 8
        for utterance in self._sending:
            if excess <= 0:
                return
            lost = min(excess, len(utterance.waiting))
            del utterance.waiting[:lost]
            self._waiting -= lost
            self.dropped += lost
            excess -= lost

    def _refill(self, now: float) -> list[Step]:
        """Fill the carrier's buffer up to the lead when it is well under it; complete utterances without audio left."""
        if self._paused_until is not None:
            return []
        buffered = max(0.0, self._dry_at - now)
        if buffered >= LEAD_MS / 1000 - _BEHIND_S:
            return self._send(now, 0)
        return self._send(now, round((LEAD_MS / 1000 - buffered) / FRAME_S))

    def _send(self, now: float, frames: int) -> list[Step]:
        steps: list[Step] = []
        while self._sending:
            utterance = self._sending[0]
            waiting = len(utterance.waiting)
            if not waiting and utterance.finished:
                self._complete(steps)
                continue
            if frames == 0 or waiting == 0 or (waiting < FRAME_BYTES and not utterance.finished):
                break
            if utterance.sent == 0 and now < self._deferred_until:
                break
            frames -= 1
            if not utterance.began:
                steps.append(utterance.begin(now))
            steps.append(self._take(utterance, now))
        return steps

    def _take(self, utterance: _Utterance, now: float) -> bytes:
        frame = bytes(utterance.waiting[:FRAME_BYTES])
        del utterance.waiting[:FRAME_BYTES]
        self._waiting -= len(frame)
        utterance.sent += len(frame)
        utterance.unplayed.append(frame)
        # Absolute, not "now plus 20 ms": a late tick delays nothing after it.
        self._dry_at = max(self._dry_at, now) + len(frame) / _BYTES_PER_S
        utterance.ends_at = self._dry_at
        if self.played is not None:
            self.played.sent(frame, self._dry_at)
        return frame

    def _complete(self, steps: list[Step]) -> None:
        utterance = self._sending.popleft()
        if utterance.sent:
            utterance.marked += 1
            steps.append(SetMark(utterance.mark))
            self._sent_whole.append(utterance)
        else:
            # Nothing of it was sent, so no mark would return.
            steps.append(utterance.done(unplayed=0, complete=True))

    def _take_back(self, utterance: _Utterance, now: float, *, marked: bool) -> int:
        """Take back the frames of an utterance that the caller has not heard. Returns how many bytes they are.

        A frame that has begun counts as not heard: the carrier may be up to a frame behind this clock, and to hear a
        frame twice is less than to miss one. The same holds for the last frame of one whose mark may still come.
        """
        unplayed_s = utterance.ends_at - now
        if marked and unplayed_s > -_MARK_MAY_TAKE_S:
            unplayed_s = max(unplayed_s, _TOLERANCE_S)
        taken = utterance.take_back(round(max(0.0, unplayed_s) * _BYTES_PER_S))
        utterance.ends_at = min(utterance.ends_at, now)
        self._waiting += taken
        return taken

    def _reports(self, now: float) -> list[Step]:
        """PlaybackDone for every open utterance."""
        reports: list[Step] = []
        for utterance in (*self._sent_whole, *self._sending):
            # What is not played yet was sent without a gap: a gap means that all before it was played.
            unplayed = min(max(0, round((utterance.ends_at - now) * _BYTES_PER_S)), utterance.sent)
            sent_all = utterance.finished and not utterance.waiting and utterance.sent > 0
            reports.append(utterance.done(unplayed=unplayed, complete=sent_all and unplayed == 0))
        return reports

    def _catch_up(self, now: float) -> None:
        """A mark returned: only what was sent after it can be unplayed, whatever the clock says."""
        behind = sum(utterance.sent for utterance in (*self._sent_whole, *self._sending)) / _BYTES_PER_S
        ahead = self._dry_at - (now + behind)
        if ahead > 0:
            self._dry_at -= ahead
            for utterance in (*self._sent_whole, *self._sending):
                utterance.ends_at -= ahead
            if self.played is not None:
                self.played.move(-ahead)

    def _drop_waiting(self) -> None:
        self._sending.clear()
        self._waiting = 0
