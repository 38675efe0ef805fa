"""The playout queue against a carrier that plays in real time: order, pacing, and what was heard when it is cut."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.playout import (
    FRAME_BYTES,
    LEAD_MS,
    LIMIT_MS,
    MARK_GRACE_S,
    PAUSE_HOLDS_S,
    Flush,
    Playout,
    SetMark,
    Step,
)
from voicecall.call.events import Failover, PlaybackBegan, PlaybackDone

TICK_S = 0.020


def speech(utterance: int, ms: int) -> bytes:
    """Audio whose bytes are the utterance's number."""
    return bytes([utterance % 256]) * (ms * 8)


@dataclass
class Carrier:
    """Plays what it gets at 8,000 bytes a second, from the moment it gets it; returns marks when it has played them."""

    marks: list[tuple[float, str]] = field(default_factory=list)
    free_at: float = 0.0
    played: list[tuple[float, float, bytes]] = field(default_factory=list)  # begin, end, audio
    most_ahead_s: float = 0.0

    def take(self, steps: list[Step], now: float) -> list[PlaybackBegan | PlaybackDone]:
        events: list[PlaybackBegan | PlaybackDone] = []
        for step in steps:
            if isinstance(step, bytes):
                begin = max(self.free_at, now)
                self.free_at = begin + len(step) / 8000
                self.played.append((begin, self.free_at, step))
                self.most_ahead_s = max(self.most_ahead_s, self.free_at - now)
            elif isinstance(step, SetMark):
                self.marks.append((max(self.free_at, now), step.name))
            elif isinstance(step, Flush):
                self.played = [(b, min(e, now), audio) for b, e, audio in self.played if b < now]
                self.free_at = now
                self.marks.clear()
            else:
                events.append(step)
        return events

    def due_marks(self, now: float) -> list[str]:
        due = [name for at, name in self.marks if at <= now]
        self.marks = [(at, name) for at, name in self.marks if at > now]
        return due

    def heard_ms(self, utterance: int, now: float) -> float:
        return sum(
            max(0.0, min(end, now) - begin) * 1000 for begin, end, audio in self.played if audio[0] == utterance % 256
        )


class Playback:
    """A playout, its carrier and the clock."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.carrier = Carrier()
        self.now = 100.0
        self.events: list[PlaybackBegan | PlaybackDone] = []
        self.sent_at: list[float] = []

    def carry_out(self, steps: list[Step]) -> list[Step]:
        self.sent_at += [self.now for step in steps if isinstance(step, bytes)]
        self.events += self.carrier.take(steps, self.now)
        return steps

    def wait(self, seconds: float) -> None:
        """Tick every 20 ms; marks return when they are due."""
        end = self.now + seconds
        while self.now + TICK_S <= end:
            self.now += TICK_S
            for name in self.carrier.due_marks(self.now):
                self.carry_out(self.playout.marked(name, self.now))
            self.carry_out(self.playout.tick(self.now))
        self.now = end

    @property
    def done(self) -> list[PlaybackDone]:
        return [event for event in self.events if isinstance(event, PlaybackDone)]


def test_the_first_frame_of_a_fresh_utterance_goes_out_at_once() -> None:
    """The next tick may be 20 ms away, and a turn may be delayed by 5 ms at most."""
    playback = Playback()
    steps = playback.carry_out(playback.playout.play(1, speech(1, 500), playback.now))
    assert steps[0] == PlaybackBegan(utterance=1, queued_ms=0)
    assert sum(len(step) for step in steps if isinstance(step, bytes)) == LEAD_MS * 8


def test_every_utterance_is_followed_by_its_own_mark() -> None:
    """The mark follows the last frame, and the next utterance follows the mark."""
    playback = Playback()
    order: list[str] = []
    for utterance in (1, 2):
        playback.carry_out(playback.playout.play(utterance, speech(utterance, 60), playback.now))
        playback.carry_out(playback.playout.finish(utterance, playback.now))
    order = [name for _, name in playback.carrier.marks]
    playback.wait(1)
    order += [name for _, name in playback.carrier.marks]
    assert playback.done == [
        PlaybackDone(utterance=1, heard_ms=60, total_ms=60, complete=True),
        PlaybackDone(utterance=2, heard_ms=60, total_ms=60, complete=True),
    ]


def test_steady_speech_leaves_one_frame_per_tick() -> None:
    """Whatever the phase of the tick, the carrier gets 20 ms every 20 ms: no gaps of 40, no bursts."""
    for phase_ms in range(20):
        playback = Playback()
        playback.carry_out(playback.playout.play(1, speech(1, 3000), playback.now))
        playback.now += phase_ms / 1000
        playback.sent_at.clear()
        playback.wait(2)
        gaps = [round(b - a, 6) for a, b in zip(playback.sent_at, playback.sent_at[1:], strict=False)]
        assert set(gaps) <= {TICK_S}
        assert playback.carrier.most_ahead_s <= (LEAD_MS + 20) / 1000 + 1e-9


def test_a_late_tick_is_made_up_for() -> None:
    """The clock is absolute: a delay of this process must not become a pause for the caller."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 2000), playback.now))
    playback.wait(0.5)
    playback.now += 0.050
    playback.wait(0.5)
    gaps = [b[0] - a[1] for a, b in zip(playback.carrier.played, playback.carrier.played[1:], strict=False)]
    assert max(gaps) < 1e-6


def test_an_underrun_pauses_and_the_boundaries_stay_right() -> None:
    """Slow synthesis delays the rest of its utterance and nothing else."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 100), playback.now))
    playback.wait(1)
    playback.carry_out(playback.playout.play(1, speech(1, 100), playback.now))
    playback.carry_out(playback.playout.finish(1, playback.now))
    playback.wait(1)
    assert playback.events == [
        PlaybackBegan(utterance=1, queued_ms=0),
        PlaybackDone(utterance=1, heard_ms=200, total_ms=200, complete=True),
    ]


def test_a_lost_finish_is_implied_by_the_next_utterance() -> None:
    """Pub/sub may lose it; two utterances must not become one."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 50), playback.now))
    playback.carry_out(playback.playout.play(2, speech(2, 40), playback.now))
    playback.carry_out(playback.playout.finish(2, playback.now))
    playback.wait(1)
    assert [done.utterance for done in playback.done] == [1, 2]
    assert all(done.complete for done in playback.done)


def test_a_mark_that_does_not_return_is_replaced_by_the_clock() -> None:
    """The clock knows when the audio has been played."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 40), playback.now))
    playback.carry_out(playback.playout.finish(1, playback.now))
    playback.carrier.marks.clear()
    playback.wait(MARK_GRACE_S)
    assert playback.done == []
    playback.wait(0.2)
    assert playback.done == [PlaybackDone(utterance=1, heard_ms=40, total_ms=40, complete=True)]
    assert playback.playout.idle


def test_beyond_five_seconds_the_oldest_audio_is_dropped() -> None:
    """Memory per call is bounded, and the newest audio matters most (guarantee P16)."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, LIMIT_MS), playback.now))
    playback.carry_out(playback.playout.play(2, speech(2, 1000), playback.now))
    assert playback.playout.dropped == (1000 - LEAD_MS) * 8
    playback.wait(6)
    assert round(playback.carrier.heard_ms(2, playback.now)) == 1000


def test_an_utterance_without_audio_is_done_when_it_is_finished() -> None:
    playback = Playback()
    playback.carry_out(playback.playout.finish(4, playback.now))
    assert playback.events == [PlaybackDone(utterance=4, heard_ms=0, total_ms=0, complete=True)]
    assert playback.carrier.marks == []


def test_late_audio_of_a_cut_utterance_is_dropped() -> None:
    """After a barge-in, audio that the worker had already sent must not start the utterance again."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 300), playback.now))
    playback.carry_out(playback.playout.clear(playback.now))
    assert playback.playout.play(1, speech(1, 300), playback.now) == []
    assert playback.playout.finish(1, playback.now) == []
    assert len(playback.done) == 1


def test_clear_flushes_the_carrier_before_anything_else() -> None:
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 300), playback.now))
    assert isinstance(playback.playout.clear(playback.now)[0], Flush)
    assert playback.playout.clear(playback.now) == []


def test_a_cut_is_reported_at_once_without_a_mark() -> None:
    """Plivo does not report checkpoints of cleared audio; a mark that returns all the same is ignored."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 60), playback.now))
    playback.carry_out(playback.playout.finish(1, playback.now))
    playback.now += 0.040
    steps = playback.playout.clear(playback.now)
    assert [step.utterance for step in steps if isinstance(step, PlaybackDone)] == [1]
    assert playback.playout.idle
    assert playback.playout.marked("u1", playback.now + 0.5) == []


def test_a_new_owner_drops_what_the_old_one_queued_and_not_what_was_sent() -> None:
    """Guarantee P1: no frame of an older epoch is sent; what was sent is heard, and reported so."""
    playback = Playback()
    for utterance in (1, 2):
        playback.carry_out(
            playback.playout.play(utterance, speech(utterance, 60 if utterance == 1 else 500), playback.now)
        )
        playback.carry_out(playback.playout.finish(utterance, playback.now))
    playback.wait(0.020)
    steps = playback.carry_out(playback.playout.hand_over())
    assert not any(isinstance(step, bytes | Flush) for step in steps)
    assert playback.done == [PlaybackDone(utterance=2, heard_ms=20, total_ms=500, complete=False)]
    playback.wait(0.5)
    assert playback.done[-1] == PlaybackDone(utterance=1, heard_ms=60, total_ms=60, complete=True)


_orders = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(1, 2000)),
        st.tuples(st.just("finish"), st.just(0)),
        st.tuples(st.just("next"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 700)),
        st.tuples(st.just("clear"), st.just(0)),
        st.tuples(st.just("owner"), st.just(0)),
        st.tuples(st.just("lose-marks"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(_orders)
def test_every_utterance_is_reported_once_and_correctly(orders: list[tuple[str, int]]) -> None:
    """heard_ms is what a carrier that plays in real time has let the caller hear, to the millisecond."""
    playback, utterance, fed, reported = Playback(), 1, set[int](), 0
    for order, amount in orders:
        handed_over = order == "owner"
        if order == "play":
            playback.carry_out(playback.playout.play(utterance, speech(utterance, amount), playback.now))
            fed.add(utterance)
        elif order == "finish":
            playback.carry_out(playback.playout.finish(utterance, playback.now))
            fed.add(utterance)
            utterance += 1
        elif order == "next":
            utterance += 1
        elif order == "wait":
            playback.wait(amount / 1000)
        elif order == "clear":
            playback.carry_out(playback.playout.clear(playback.now))
            utterance += 1
        elif order == "lose-marks":
            playback.carrier.marks.clear()
        else:
            playback.carry_out(playback.playout.hand_over())
            utterance += 1
        for done in playback.done[reported:]:
            later = 10.0 if handed_over else 0.0
            heard = playback.carrier.heard_ms(done.utterance, playback.now + later)
            assert abs(done.heard_ms - heard) <= 1.01
            assert done.total_ms is None or done.heard_ms <= done.total_ms
        reported = len(playback.done)
    playback.carry_out(playback.playout.close(playback.now))
    assert sorted(done.utterance for done in playback.done) == sorted(fed)
    began = [event.utterance for event in playback.events if isinstance(event, PlaybackBegan)]
    assert began == sorted(set(began))
    assert playback.carrier.most_ahead_s <= 0.2
    spoken = [audio[0] for _, _, audio in playback.carrier.played]
    assert spoken == sorted(spoken)
    assert all(len(audio) <= FRAME_BYTES for _, _, audio in playback.carrier.played)


def test_c3_a_deferred_utterance_begins_when_it_may() -> None:
    """One that has begun is not touched; nothing is lost of the one that waits."""
    playback = Playback()
    for utterance in (1, 2):
        playback.carry_out(playback.playout.play(utterance, speech(utterance, 200), playback.now))
        playback.carry_out(playback.playout.finish(utterance, playback.now))
    playback.playout.defer(playback.now + 1.0)
    assert not playback.playout.is_between
    playback.wait(0.5)
    assert playback.done == [PlaybackDone(utterance=1, heard_ms=200, total_ms=200, complete=True)]
    assert playback.playout.is_between
    assert playback.playout.is_deferring
    playback.wait(1.0)
    assert playback.done[1:] == [PlaybackDone(utterance=2, heard_ms=200, total_ms=200, complete=True)]


# --- pauses -------------------------------------------------------------------------------------------------------


class FrameLine:
    """A carrier that plays whole frames on its own clock, as simulated ones do: the frame in play is never dropped.

    `phase_s`: how much later than our clock its frames begin.
    """

    def __init__(self, phase_s: float) -> None:
        self.playout = Playout()
        self.now = 50.0
        self.heard: list[int] = []
        self.events: list[PlaybackBegan | PlaybackDone] = []
        self._next_tick = self.now + phase_s
        self._queue: list[int | str] = []

    def feed(self, utterance: int, numbers: range) -> None:
        """Frame n carries the number n."""
        audio = b"".join(n.to_bytes(2, "big") * (FRAME_BYTES // 2) for n in numbers)
        self.take(self.playout.play(utterance, audio, self.now))

    def take(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, bytes):
                self._queue.append(int.from_bytes(step[:2], "big"))
            elif isinstance(step, SetMark):
                self._queue.append(step.name)
                self._return_marks()
            elif isinstance(step, Flush):
                marks = [item for item in self._queue if isinstance(item, str)]
                self._queue.clear()
                for name in marks:  # Twilio returns the marks of what it drops
                    self.take(self.playout.marked(name, self.now))
            else:
                self.events.append(step)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        ticks = max(1, round(seconds / TICK_S))
        for number in range(1, ticks + 1):
            self.now = end - (ticks - number) * TICK_S if number < ticks else end
            while self._next_tick <= self.now:
                self._next_tick += TICK_S
                if self._queue:
                    frame = self._queue.pop(0)
                    assert isinstance(frame, int)
                    self.heard.append(frame)
                self._return_marks()
            self.take(self.playout.tick(self.now))

    def _return_marks(self) -> None:
        while self._queue and isinstance(self._queue[0], str):
            name = self._queue.pop(0)
            assert isinstance(name, str)
            self.take(self.playout.marked(name, self.now))


def assert_nothing_missed(heard: list[int], fed: int, pauses: int) -> None:
    """Every frame once and in order, but for one that may be heard twice around each pause."""
    assert set(heard) == set(range(fed))
    assert all(later - earlier in (0, 1) for earlier, later in pairwise(heard))
    assert len(heard) - fed <= pauses


def test_a16_a_pause_stops_at_once_and_goes_on_where_it_stopped() -> None:
    """The carrier drops what it buffers, and gets it again."""
    line = FrameLine(0.007)
    line.feed(1, range(100))
    line.wait(0.5)
    steps = line.playout.pause(line.now)
    assert steps == [Flush()]
    line.take(steps)
    before = len(line.heard)
    line.wait(0.7)
    assert len(line.heard) == before
    line.take(line.playout.resume(line.now))
    line.take(line.playout.finish(1, line.now))
    line.wait(3.0)
    assert_nothing_missed(line.heard, 100, pauses=1)
    assert line.events == [
        PlaybackBegan(utterance=1, queued_ms=0),
        PlaybackDone(utterance=1, heard_ms=2000, total_ms=2000, complete=True),
    ]


def test_a_cut_during_a_pause_reports_what_was_heard_before_it() -> None:
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 2000), playback.now))
    playback.wait(0.5)
    playback.carry_out(playback.playout.pause(playback.now))
    playback.wait(0.3)
    playback.carry_out(playback.playout.clear(playback.now))
    assert playback.done == [PlaybackDone(utterance=1, heard_ms=500, total_ms=None, complete=False)]
    playback.carry_out(playback.playout.play(2, speech(2, 40), playback.now))
    assert playback.sent_at[-1] == playback.now


def test_audio_that_comes_during_a_pause_waits_for_its_end() -> None:
    """A reply whose first sentence is ready while the caller may be speaking."""
    playback = Playback()
    assert playback.playout.pause(playback.now) == []
    playback.carry_out(playback.playout.play(1, speech(1, 300), playback.now))
    playback.carry_out(playback.playout.finish(1, playback.now))
    playback.wait(0.5)
    assert playback.events == []
    playback.carry_out(playback.playout.resume(playback.now))
    assert playback.events == [PlaybackBegan(utterance=1, queued_ms=500)]
    assert playback.sent_at[-1] == playback.now


def test_the_mark_that_a_flush_returns_does_not_end_what_is_sent_again() -> None:
    """An utterance whose last frames were in the carrier's buffer gets another mark with them."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 60), playback.now))
    steps = playback.carry_out(playback.playout.finish(1, playback.now))
    assert SetMark("u1") in steps
    playback.carry_out(playback.playout.pause(playback.now))
    assert playback.playout.marked("u1", playback.now) == []
    steps = playback.carry_out(playback.playout.resume(playback.now))
    assert [step for step in steps if isinstance(step, SetMark)] == [SetMark("u1.2")]
    playback.wait(1)
    assert playback.done == [PlaybackDone(utterance=1, heard_ms=60, total_ms=60, complete=True)]


def test_a_pause_ends_by_itself_when_it_is_not_repeated() -> None:
    """The message that ends it may be lost, or the worker be dead: the caller is not left in silence."""
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 3000), playback.now))
    for _ in range(3):
        playback.carry_out(playback.playout.pause(playback.now))
        playback.wait(PAUSE_HOLDS_S - 0.1)
    sent = len(playback.sent_at)
    assert not playback.playout.idle
    playback.wait(0.2)
    assert len(playback.sent_at) > sent


def test_a_new_owner_ends_the_pause_of_the_old_one() -> None:
    playback = Playback()
    playback.carry_out(playback.playout.play(1, speech(1, 500), playback.now))
    playback.carry_out(playback.playout.pause(playback.now))
    playback.carry_out(playback.playout.hand_over())
    assert playback.done == [PlaybackDone(utterance=1, heard_ms=0, total_ms=None, complete=False)]
    playback.carry_out(playback.playout.play(1, speech(1, 40), playback.now))
    assert playback.sent_at[-1] == playback.now


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("play"), st.integers(1, 40)),
            st.tuples(st.just("finish"), st.just(0)),
            st.tuples(st.just("wait"), st.integers(1, 600)),
            st.tuples(st.just("pause"), st.integers(1, 900)),
        ),
        max_size=25,
    ),
    st.integers(0, 19),
)
def test_whatever_the_order_of_pauses_the_caller_misses_nothing(orders: list[tuple[str, int]], phase_ms: int) -> None:
    """Each utterance is heard whole and reported once, with a frame heard twice at most around each pause."""
    line, fed, utterance, pauses = FrameLine(phase_ms / 1000), 0, 1, 0
    begun: set[int] = set()
    for order, amount in orders:
        if order == "play":
            line.feed(utterance, range(fed, fed + amount))
            fed += amount
            begun.add(utterance)
        elif order == "finish" and utterance in begun:
            line.take(line.playout.finish(utterance, line.now))
            utterance += 1
        elif order == "wait":
            line.wait(amount / 1000)
        elif order == "pause":
            line.take(line.playout.pause(line.now))
            line.wait(amount / 1000)
            line.take(line.playout.resume(line.now))
            pauses += 1
    line.take(line.playout.finish(utterance, line.now))
    line.wait(fed * TICK_S + MARK_GRACE_S + 1)
    assert line.playout.dropped == 0 or fed * 20 > LIMIT_MS
    if not line.playout.dropped:
        assert_nothing_missed(line.heard, fed, pauses)
        done = [event.utterance for event in line.events if isinstance(event, PlaybackDone)]
        assert sorted(done) == sorted({*begun, utterance})
        assert all(event.complete for event in line.events if isinstance(event, PlaybackDone))


def test_the_beginning_of_an_utterance_says_who_speaks_in_whose_place() -> None:
    """As the worker reported it with the first audio."""
    playback = Playback()
    failover = Failover(service="tts", from_="elevenlabs", to="openai", reason="timeout")
    playback.playout.first_audio(1, 120, failover)
    steps = playback.carry_out(playback.playout.play(1, speech(1, 500), playback.now))
    assert steps[0] == PlaybackBegan(utterance=1, synthesis_ms=120, queued_ms=0, failover=failover)
