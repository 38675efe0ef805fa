"""The buffer gives every record of the log once, in order and without gaps, whatever nudges lose, repeat or reorder."""

from hypothesis import given
from hypothesis import strategies as st

from actors.buffer import EventBuffer
from voicecall.call.events import DtmfReceived, Event
from voicecall.call.ids import Seq
from voicecall.ports import Record


def records(*seqs: int) -> tuple[Record, ...]:
    return tuple(Record(seq=Seq(seq), event=DtmfReceived(digits=str(seq))) for seq in seqs)


def batch_of(buffer: EventBuffer) -> list[int]:
    return [record.seq for record in buffer.next_batch()[0]]


def test_a_record_behind_a_gap_waits_for_the_log() -> None:
    buffer = EventBuffer(Seq(4))
    buffer.add_nudged(records(6))

    assert (buffer.needs_log, batch_of(buffer), len(buffer)) == (True, [], 1)

    buffer.add_from_log(records(5, 6, 7))
    assert (buffer.needs_log, batch_of(buffer)) == (False, [5, 6, 7])


def test_records_that_close_a_gap_need_no_log() -> None:
    """Nudges that arrive in the wrong order cost no reading."""
    buffer = EventBuffer(Seq(4))
    buffer.add_nudged(records(6))
    buffer.add_nudged(records(5))

    assert (buffer.needs_log, batch_of(buffer)) == (False, [5, 6])


def test_a_possibly_lost_nudge_is_work_until_the_log_is_read() -> None:
    buffer = EventBuffer(Seq(4))
    buffer.require_log()
    assert (buffer.has_work, buffer.needs_log) == (True, True)

    buffer.add_from_log(())
    assert (buffer.has_work, buffer.needs_log) == (False, False)


def test_events_that_arrive_during_a_step_stay_for_the_next_one() -> None:
    first: Event = DtmfReceived(digits="1")
    second: Event = DtmfReceived(digits="2")
    buffer = EventBuffer(Seq(0), records(1))
    buffer.add_own(first)
    posted, own = buffer.next_batch()
    buffer.add_own(second)
    buffer.add_nudged(records(3))  # seq 2 is the own event of the step

    buffer.remove_applied(Seq(2), len(own))

    assert (len(posted), own) == (1, (first,))
    assert buffer.next_batch() == (records(3), (second,))


@given(
    length=st.integers(1, 12),
    applied=st.integers(0, 12),
    nudges=st.lists(st.lists(st.integers(1, 12), max_size=4), max_size=8),
    steps=st.sets(st.integers(0, 7)),
)
def test_the_steps_fold_a_log_in_order_once(
    length: int, applied: int, nudges: list[list[int]], steps: set[int]
) -> None:
    """Nudges carry any records of the log in any order, any number of times; a step may follow any of them."""
    applied = min(applied, length)
    buffer = EventBuffer(Seq(applied))
    folded: list[int] = []

    def step() -> None:
        if buffer.needs_log:
            buffer.add_from_log(records(*range(buffer.applied + 1, length + 1)))
        batch = batch_of(buffer)
        folded.extend(batch)
        buffer.remove_applied(Seq(batch[-1]) if batch else buffer.applied, 0)

    for number, nudge in enumerate(nudges):
        buffer.add_nudged(records(*(seq for seq in nudge if seq <= length)))
        if number in steps:
            step()
    buffer.require_log()
    step()

    assert folded == list(range(applied + 1, length + 1))
    assert not buffer.has_work
