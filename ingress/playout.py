"""What one media socket still has to say, and what its caller has heard of it.

Sans-IO: audio goes in as the worker sends it, frames and facts come out when their time has come, by whatever clock the
caller of these methods reads. `streams` carries the steps out; nothing here knows sockets, codecs or the bus.

The carrier plays what we send in real time, so the clock alone tells what was heard: everything sent, less what its
buffer still holds. We keep that buffer small: `LEAD_MS`, plus one frame.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from voicecall.call.events import PlaybackBegan, PlaybackDone

__all__ = ["FRAME_BYTES", "FRAME_S", "LEAD_MS", "LIMIT_MS", "MARK_GRACE_S", "Flush", "Playout", "SetMark", "Step"]

FRAME_BYTES: Final = 160
FRAME_S: Final = 0.020
LEAD_MS: Final = 80
"""Audio the carrier holds ahead of the caller's ear: hides our jitter, and is lost at every barge-in."""

LIMIT_MS: Final = 5_000
"""Audio that may wait here. Beyond it the oldest goes (reliability P16)."""

MARK_GRACE_S: Final = 2.0
"""A mark that is not back this long after its audio ended is lost: believe the clock."""

_BYTES_PER_S: Final = 8_000
_TOLERANCE_S: Final = 0.010  # a tick may come this early and still send its frame
_BEHIND_S: Final = 0.030  # this far under the lead, one frame per tick no longer catches up


@dataclass(frozen=True, slots=True)
class SetMark:
    """Ask the carrier to tell us when it has played everything up to here."""

    name: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Tell the carrier to drop what it buffers."""


Step = bytes | SetMark | Flush | PlaybackBegan | PlaybackDone
"""What to do now, in order. Bytes are mu-law to send: one frame, the last of an utterance maybe shorter."""


class _Utterance:
    __slots__ = ("ends_at", "finished", "no", "received", "sent", "waiting")

    def __init__(self, no: int) -> None:
        self.no = no
        self.waiting = bytearray()
        self.received = 0  # bytes, those dropped for want of room included
        self.sent = 0
        self.finished = False
        self.ends_at = 0.0  # when its last sent frame has been played

    def over(self, *, unplayed: int, complete: bool) -> PlaybackDone:
        return PlaybackDone(
            utterance=self.no,
            heard_ms=(self.sent - unplayed) // 8,
            total_ms=self.received // 8 if self.finished else None,
            complete=complete,
        )


class Playout:
    """Utterances in order, each `play`ed in pieces and `finish`ed. Every `now` is seconds of one steady clock.

    Each utterance that got audio or an end is reported by exactly one PlaybackDone.
    """

    def __init__(self) -> None:
        self._saying: deque[_Utterance] = deque()  # not sent to their end
        self._said: deque[_Utterance] = deque()  # sent, their marks still out
        self._waiting = 0  # bytes in all of `_saying`
        self._dry_at = 0.0  # when the carrier's buffer runs empty
        self._newest = 0  # utterances up to this one are known; what comes late for a dropped one is dropped too
        self.dropped = 0
        """Bytes that found no room or came for an utterance that was over."""

    @property
    def idle(self) -> bool:
        """True when only new audio or a new order can give anything to do."""
        return not self._said and self._waiting == 0

    def play(self, utterance: int, mulaw: bytes, now: float) -> list[Step]:
        """More audio. What an idle line can take goes out at once."""
        saying = self._open(utterance)
        if saying is None:
            self.dropped += len(mulaw)
            return []
        saying.waiting += mulaw
        saying.received += len(mulaw)
        self._waiting += len(mulaw)
        self._make_room()
        return self._refill(now)

    def finish(self, utterance: int, now: float) -> list[Step]:
        """No more audio will come for this one."""
        saying = self._open(utterance)
        if saying is None:
            return []
        saying.finished = True
        return self._refill(now)

    def tick(self, now: float) -> list[Step]:
        """Call every 20 ms while not `idle`: sends the next frame, or several after a pause of ours."""
        steps = self._send(now, 1) if self._dry_at - now < LEAD_MS / 1000 + _TOLERANCE_S else []
        steps += self._refill(now)
        while self._said and now > self._said[0].ends_at + MARK_GRACE_S:
            steps.append(self._said.popleft().over(unplayed=0, complete=True))
        return steps

    def marked(self, name: str, now: float) -> list[Step]:
        """The carrier returned a mark: that utterance, and every one before it, was heard to its end."""
        if all(_mark(said) != name for said in self._said):
            return []
        steps: list[Step] = []
        while self._said:
            said = self._said.popleft()
            steps.append(said.over(unplayed=0, complete=True))
            if _mark(said) == name:
                break
        self._catch_up(now)
        return steps

    def clear(self, now: float) -> list[Step]:
        """Silence now. Everything unheard is reported as cut."""
        # Marks still out count: the carrier may be a little behind our clock.
        silenced = bool(self._said or self._saying) or self._dry_at > now
        steps: list[Step] = [Flush()] if silenced else []
        steps += self.close(now)
        self._dry_at = now
        return steps

    def close(self, now: float) -> list[Step]:
        """The line is gone: report every utterance with what was heard of it."""
        steps = self._settle(now)
        self._said.clear()
        self._forget()
        return steps

    def hand_over(self) -> list[Step]:
        """A new owner speaks from here on (reliability P1): drop what the old one had queued.

        Frames that left are still heard, so nothing is flushed; utterances sent to their end keep their marks.
        """
        steps: list[Step] = [saying.over(unplayed=0, complete=False) for saying in self._saying]
        self._forget()
        self._newest = 0
        return steps

    def _open(self, no: int) -> _Utterance | None:
        """The utterance that may still get audio. A newer one ends those before it: their Finish was lost."""
        if self._saying and self._saying[-1].no == no and not self._saying[-1].finished:
            return self._saying[-1]
        if no <= self._newest:
            return None
        for older in self._saying:
            older.finished = True
        self._newest = no
        self._saying.append(_Utterance(no))
        return self._saying[-1]

    def _make_room(self) -> None:
        excess = self._waiting - LIMIT_MS * 8
        for saying in self._saying:
            if excess <= 0:
                return
            lost = min(excess, len(saying.waiting))
            del saying.waiting[:lost]
            self._waiting -= lost
            self.dropped += lost
            excess -= lost

    def _refill(self, now: float) -> list[Step]:
        """Fill the carrier's buffer up to the lead, if it is well under it; also ends what has no audio left."""
        buffered = max(0.0, self._dry_at - now)
        if buffered >= LEAD_MS / 1000 - _BEHIND_S:
            return self._send(now, 0)
        return self._send(now, round((LEAD_MS / 1000 - buffered) / FRAME_S))

    def _send(self, now: float, frames: int) -> list[Step]:
        steps: list[Step] = []
        while self._saying:
            saying = self._saying[0]
            waiting = len(saying.waiting)
            if not waiting and saying.finished:
                self._sent_to_its_end(steps)
                continue
            if frames == 0 or waiting == 0 or (waiting < FRAME_BYTES and not saying.finished):
                break
            frames -= 1
            if saying.sent == 0:
                steps.append(PlaybackBegan(utterance=saying.no))
            steps.append(self._take(saying, now))
        return steps

    def _take(self, saying: _Utterance, now: float) -> bytes:
        frame = bytes(saying.waiting[:FRAME_BYTES])
        del saying.waiting[:FRAME_BYTES]
        self._waiting -= len(frame)
        saying.sent += len(frame)
        # Absolute, not "now plus 20 ms": a tick that comes late makes nothing later.
        self._dry_at = max(self._dry_at, now) + len(frame) / _BYTES_PER_S
        saying.ends_at = self._dry_at
        return frame

    def _sent_to_its_end(self, steps: list[Step]) -> None:
        saying = self._saying.popleft()
        if saying.sent:
            steps.append(SetMark(_mark(saying)))
            self._said.append(saying)
        else:
            # Nothing of it can be heard, so no mark would ever say so.
            steps.append(saying.over(unplayed=0, complete=True))

    def _settle(self, now: float) -> list[Step]:
        """Everything open, with what was heard of it."""
        reports: list[Step] = []
        for utterance in (*self._said, *self._saying):
            # What is not played yet was sent in one piece: a gap in sending means that all before it was played.
            unplayed = min(max(0, round((utterance.ends_at - now) * _BYTES_PER_S)), utterance.sent)
            sent_all = utterance.finished and not utterance.waiting and utterance.sent > 0
            reports.append(utterance.over(unplayed=unplayed, complete=sent_all and unplayed == 0))
        return reports

    def _catch_up(self, now: float) -> None:
        """A mark came back: only what was sent behind it can be unplayed, even if our clock says otherwise."""
        behind = sum(utterance.sent for utterance in (*self._said, *self._saying)) / _BYTES_PER_S
        ahead = self._dry_at - (now + behind)
        if ahead > 0:
            self._dry_at -= ahead
            for utterance in (*self._said, *self._saying):
                utterance.ends_at -= ahead

    def _forget(self) -> None:
        self._saying.clear()
        self._waiting = 0


def _mark(utterance: _Utterance) -> str:
    return f"u{utterance.no}"
