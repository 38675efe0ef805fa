"""The playout queue against a carrier that plays in real time: order, pacing, and what was heard when it is cut."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.playout import FRAME_BYTES, LEAD_MS, LIMIT_MS, MARK_GRACE_S, Flush, Playout, SetMark, Step
from voicecall.call.events import PlaybackBegan, PlaybackDone

TICK_S = 0.020


def speech(utterance: int, ms: int) -> bytes:
    """Audio that tells whose it is."""
    return bytes([utterance % 256]) * (ms * 8)


@dataclass
class Carrier:
    """Plays what it gets at 8,000 bytes a second, from the moment it gets it; returns marks when it has played them."""

    marks: list[tuple[float, str]] = field(default_factory=list)
    free_at: float = 0.0
    played: list[tuple[float, float, bytes]] = field(default_factory=list)  # begin, end, audio
    most_ahead_s: float = 0.0

    def take(self, steps: list[Step], now: float) -> list[PlaybackBegan | PlaybackDone]:
        facts: list[PlaybackBegan | PlaybackDone] = []
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
                facts.append(step)
        return facts

    def due_marks(self, now: float) -> list[str]:
        due = [name for at, name in self.marks if at <= now]
        self.marks = [(at, name) for at, name in self.marks if at > now]
        return due

    def heard_ms(self, utterance: int, now: float) -> float:
        return sum(
            max(0.0, min(end, now) - begin) * 1000 for begin, end, audio in self.played if audio[0] == utterance % 256
        )


class Line:
    """A playout, its carrier, and the clock."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.carrier = Carrier()
        self.now = 100.0
        self.facts: list[PlaybackBegan | PlaybackDone] = []
        self.sent_at: list[float] = []

    def did(self, steps: list[Step]) -> list[Step]:
        self.sent_at += [self.now for step in steps if isinstance(step, bytes)]
        self.facts += self.carrier.take(steps, self.now)
        return steps

    def wait(self, seconds: float) -> None:
        """Ticks every 20 ms, marks come back."""
        end = self.now + seconds
        while self.now + TICK_S <= end:
            self.now += TICK_S
            for name in self.carrier.due_marks(self.now):
                self.did(self.playout.marked(name, self.now))
            self.did(self.playout.tick(self.now))
        self.now = end

    @property
    def done(self) -> list[PlaybackDone]:
        return [fact for fact in self.facts if isinstance(fact, PlaybackDone)]


def test_the_first_frame_of_a_fresh_utterance_goes_out_at_once() -> None:
    """A tick may be 20 ms away, and the bar for a turn is 5."""
    line = Line()
    steps = line.did(line.playout.play(1, speech(1, 500), line.now))
    assert steps[0] == PlaybackBegan(utterance=1)
    assert sum(len(step) for step in steps if isinstance(step, bytes)) == LEAD_MS * 8


def test_every_utterance_is_followed_by_its_own_mark() -> None:
    """The mark stands behind the last frame, and the next sentence behind the mark."""
    line = Line()
    order: list[str] = []
    for utterance in (1, 2):
        line.did(line.playout.play(utterance, speech(utterance, 60), line.now))
        line.did(line.playout.finish(utterance, line.now))
    order = [name for _, name in line.carrier.marks]
    line.wait(1)
    order += [name for _, name in line.carrier.marks]
    assert line.done == [
        PlaybackDone(utterance=1, heard_ms=60, total_ms=60, complete=True),
        PlaybackDone(utterance=2, heard_ms=60, total_ms=60, complete=True),
    ]


def test_steady_speech_leaves_one_frame_per_tick() -> None:
    """Whatever a tick's phase, the carrier gets 20 ms each 20 ms: no gaps of 40, no bursts."""
    for phase_ms in range(20):
        line = Line()
        line.did(line.playout.play(1, speech(1, 3000), line.now))
        line.now += phase_ms / 1000
        line.sent_at.clear()
        line.wait(2)
        gaps = [round(b - a, 6) for a, b in zip(line.sent_at, line.sent_at[1:], strict=False)]
        assert set(gaps) <= {TICK_S}
        assert line.carrier.most_ahead_s <= (LEAD_MS + 20) / 1000 + 1e-9


def test_a_late_tick_is_made_up_for() -> None:
    """The clock is absolute: a pause of ours must not become a pause in the caller's ear."""
    line = Line()
    line.did(line.playout.play(1, speech(1, 2000), line.now))
    line.wait(0.5)
    line.now += 0.050
    line.wait(0.5)
    gaps = [b[0] - a[1] for a, b in zip(line.carrier.played, line.carrier.played[1:], strict=False)]
    assert max(gaps) < 1e-6


def test_an_underrun_pauses_and_the_boundaries_stay_right() -> None:
    """Synthesis that stutters delays the rest of its sentence and nothing else."""
    line = Line()
    line.did(line.playout.play(1, speech(1, 100), line.now))
    line.wait(1)
    line.did(line.playout.play(1, speech(1, 100), line.now))
    line.did(line.playout.finish(1, line.now))
    line.wait(1)
    assert line.facts == [
        PlaybackBegan(utterance=1),
        PlaybackDone(utterance=1, heard_ms=200, total_ms=200, complete=True),
    ]


def test_a_lost_finish_is_made_good_by_the_next_utterance() -> None:
    """Pub/sub may lose it; the sentences must not run into one."""
    line = Line()
    line.did(line.playout.play(1, speech(1, 50), line.now))
    line.did(line.playout.play(2, speech(2, 40), line.now))
    line.did(line.playout.finish(2, line.now))
    line.wait(1)
    assert [done.utterance for done in line.done] == [1, 2]
    assert all(done.complete for done in line.done)


def test_a_mark_that_never_comes_back_is_believed_lost() -> None:
    """The carrier's echo is a courtesy; our clock knows as well."""
    line = Line()
    line.did(line.playout.play(1, speech(1, 40), line.now))
    line.did(line.playout.finish(1, line.now))
    line.carrier.marks.clear()
    line.wait(MARK_GRACE_S)
    assert line.done == []
    line.wait(0.2)
    assert line.done == [PlaybackDone(utterance=1, heard_ms=40, total_ms=40, complete=True)]
    assert line.playout.idle


def test_beyond_five_seconds_the_oldest_goes() -> None:
    """Bounded memory per call, and the newest words matter most (reliability P16)."""
    line = Line()
    line.did(line.playout.play(1, speech(1, LIMIT_MS), line.now))
    line.did(line.playout.play(2, speech(2, 1000), line.now))
    assert line.playout.dropped == (1000 - LEAD_MS) * 8
    line.wait(6)
    assert round(line.carrier.heard_ms(2, line.now)) == 1000


def test_an_utterance_without_audio_is_over_as_it_ends() -> None:
    line = Line()
    line.did(line.playout.finish(4, line.now))
    assert line.facts == [PlaybackDone(utterance=4, heard_ms=0, total_ms=0, complete=True)]
    assert line.carrier.marks == []


def test_audio_that_comes_late_for_a_cut_utterance_is_dropped() -> None:
    """After barge-in, what the worker had already sent must not start the sentence again."""
    line = Line()
    line.did(line.playout.play(1, speech(1, 300), line.now))
    line.did(line.playout.clear(line.now))
    assert line.playout.play(1, speech(1, 300), line.now) == []
    assert line.playout.finish(1, line.now) == []
    assert len(line.done) == 1


def test_clear_flushes_the_carrier_before_anything_else() -> None:
    line = Line()
    line.did(line.playout.play(1, speech(1, 300), line.now))
    assert isinstance(line.playout.clear(line.now)[0], Flush)
    assert line.playout.clear(line.now) == []


def test_what_was_cut_is_told_at_once_and_waits_for_no_mark() -> None:
    """Plivo drops the checkpoints of what it clears, silently; a mark that comes all the same is no news."""
    line = Line()
    line.did(line.playout.play(1, speech(1, 60), line.now))
    line.did(line.playout.finish(1, line.now))
    line.now += 0.040
    steps = line.playout.clear(line.now)
    assert [step.utterance for step in steps if isinstance(step, PlaybackDone)] == [1]
    assert line.playout.idle
    assert line.playout.marked("u1", line.now + 0.5) == []


def test_a_new_owner_drops_what_the_old_one_queued_and_keeps_what_is_in_the_ear() -> None:
    """P1: no frame of an older epoch leaves; but what has left is heard, and reported so."""
    line = Line()
    for utterance in (1, 2):
        line.did(line.playout.play(utterance, speech(utterance, 60 if utterance == 1 else 500), line.now))
        line.did(line.playout.finish(utterance, line.now))
    line.wait(0.020)
    steps = line.did(line.playout.hand_over())
    assert not any(isinstance(step, bytes | Flush) for step in steps)
    assert line.done == [PlaybackDone(utterance=2, heard_ms=20, total_ms=500, complete=False)]
    line.wait(0.5)
    assert line.done[-1] == PlaybackDone(utterance=1, heard_ms=60, total_ms=60, complete=True)


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
def test_whatever_happens_every_utterance_is_told_once_and_truly(orders: list[tuple[str, int]]) -> None:
    """heard_ms is what a carrier that plays in real time has let the caller hear, to the millisecond."""
    line, utterance, fed, told = Line(), 1, set[int](), 0
    for order, amount in orders:
        handed_over = order == "owner"
        if order == "play":
            line.did(line.playout.play(utterance, speech(utterance, amount), line.now))
            fed.add(utterance)
        elif order == "finish":
            line.did(line.playout.finish(utterance, line.now))
            fed.add(utterance)
            utterance += 1
        elif order == "next":
            utterance += 1
        elif order == "wait":
            line.wait(amount / 1000)
        elif order == "clear":
            line.did(line.playout.clear(line.now))
            utterance += 1
        elif order == "lose-marks":
            line.carrier.marks.clear()
        else:
            line.did(line.playout.hand_over())
            utterance += 1
        for done in line.done[told:]:
            later = 10.0 if handed_over else 0.0
            heard = line.carrier.heard_ms(done.utterance, line.now + later)
            assert abs(done.heard_ms - heard) <= 1.01
            assert done.total_ms is None or done.heard_ms <= done.total_ms
        told = len(line.done)
    line.did(line.playout.close(line.now))
    assert sorted(done.utterance for done in line.done) == sorted(fed)
    began = [fact.utterance for fact in line.facts if isinstance(fact, PlaybackBegan)]
    assert began == sorted(set(began))
    assert line.carrier.most_ahead_s <= 0.2
    spoken = [audio[0] for _, _, audio in line.carrier.played]
    assert spoken == sorted(spoken)
    assert all(len(audio) <= FRAME_BYTES for _, _, audio in line.carrier.played)
