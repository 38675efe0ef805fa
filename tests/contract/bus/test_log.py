"""What a log of calls promises: events stay in order and once; a commit goes in whole, fenced, or not at all."""

import pytest

from tests.bus.calls import ALICE, BOB, keyed, new_call, ringing, step, taken, woke
from tests.contract.bus.conftest import Bus
from voicecall.call.ids import Seq
from voicecall.call.state import Phase
from voicecall.errors import Fenced


async def test_posted_events_get_consecutive_places(bus: Bus) -> None:
    """The log numbers events from 1, across posts; `history` returns them from any place."""
    call = new_call()
    first = await bus.log.post(call, (ringing(), keyed("1")))
    second = await bus.log.post(call, (keyed("2"),))
    assert (first.seqs, second.seqs) == ((1, 2), (3,))
    assert [record.seq for record in await bus.log.history(call)] == [1, 2, 3]
    assert [record.event for record in await bus.log.history(call, Seq(2))] == [
        (await bus.log.history(call))[2].event,
    ]
    assert await bus.log.history(new_call()) == ()


async def test_a_posted_event_gets_the_time_of_the_bus(bus: Bus) -> None:
    """Senders' clocks differ, so the time that a sender wrote is replaced."""
    call = new_call()
    await bus.log.post(call, (ringing(), woke()))
    first, second = (record.event.at for record in await bus.log.history(call))
    assert first == second > 0


async def test_a_replay_gets_the_first_answer_and_adds_nothing(bus: Bus) -> None:
    """Carriers repeat webhooks; the second delivery must not happen to the call again."""
    call = new_call()
    first = await bus.log.post(call, (ringing(),), request_key="k", answer=b"<Response/>")
    replay = await bus.log.post(call, (ringing(),), request_key="k", answer=b"<Other/>")
    assert (first.replay, first.answer) == (False, None)
    assert (replay.replay, replay.answer, replay.seqs) == (True, b"<Response/>", ())
    other = await bus.log.post(call, (keyed("1"),), request_key="other")
    assert (other.replay, other.seqs) == (False, (2,))


@pytest.mark.parametrize("answer", [None, b"", b"+"])
async def test_a_kept_answer_is_returned_exactly(bus: Bus, answer: bytes | None) -> None:
    """An empty answer is not a missing one."""
    call = new_call()
    await bus.log.post(call, (ringing(),), request_key="k", answer=answer)
    assert (await bus.log.post(call, (), request_key="k")).answer == answer


async def test_one_key_counts_for_one_call(bus: Bus) -> None:
    """A request is identified by its call and its key."""
    for call in (new_call(), new_call()):
        assert not (await bus.log.post(call, (ringing(),), request_key="k")).replay


async def test_a_listening_owner_is_nudged_with_the_records(bus: Bus) -> None:
    """A nudge carries what was posted; its receiver need not read the log."""
    call = new_call()
    await bus.start(ALICE)
    await bus.log.post(call, (ringing(),))
    taken(await bus.leases.acquire(call, ALICE))
    posted = await bus.log.post(call, (keyed("1"), keyed("2")))
    assert (posted.owner, posted.nudged, posted.over) == (ALICE, True, False)
    node, nudged, records = await bus.nudges.get()
    assert (node, nudged, [record.seq for record in records]) == (ALICE, call, [2, 3])
    assert records == await bus.log.history(call, Seq(1))


async def test_without_an_owner_or_a_listener_no_one_is_nudged(bus: Bus) -> None:
    """`owner` None: ring. An owner that is not nudged: its process is gone."""
    call = new_call()
    for _ in range(2):
        posted = await bus.log.post(call, (ringing(),), request_key="k")
        assert (posted.owner, posted.nudged) == (None, False)
    await bus.start(ALICE)
    taken(await bus.leases.acquire(call, ALICE))
    await bus.kill(ALICE)
    posted = await bus.log.post(call, (keyed("1"),))
    assert (posted.owner, posted.nudged) == (ALICE, False)


async def test_a_replay_names_an_owner_that_listens(bus: Bus) -> None:
    """The first delivery may have failed before it rang, so a replay says whether to ring."""
    call = new_call()
    await bus.start(ALICE)
    await bus.log.post(call, (ringing(),), request_key="k")
    taken(await bus.leases.acquire(call, ALICE))
    replay = await bus.log.post(call, (ringing(),), request_key="k")
    assert (replay.replay, replay.owner, replay.nudged) == (True, ALICE, True)


async def test_a_commit_goes_in_whole(bus: Bus) -> None:
    """Own events behind the posted ones, the snapshot, and the end of the log."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    assert await bus.log.read(call) is None
    ingest = taken(await bus.leases.acquire(call, ALICE))
    commit = step(ingest.lease, 1, woke(), fresh=ingest.rest, digits="7")
    committed = await bus.log.commit(commit)
    assert (committed.applied, committed.missing) == (2, ())
    assert [record.event for record in await bus.log.history(call, Seq(1))] == [woke()]
    assert await bus.log.read(call) == commit.call


async def test_a_commit_behind_the_log_is_refused_with_what_is_missing(bus: Bus) -> None:
    """The order of the log is the order of the decisions, so nothing is written."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    lease = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.log.post(call, (keyed("1"),))
    refused = await bus.log.commit(step(lease, 1, woke()))
    assert (refused.applied, [record.seq for record in refused.missing]) == (1, [2])
    assert refused.missing == await bus.log.history(call, Seq(1))
    assert (await bus.log.read(call), len(await bus.log.history(call))) == (None, 2)
    assert (await bus.log.commit(step(lease, 2, woke()))).applied == 3


async def test_a_commit_ahead_of_the_log_is_fenced(bus: Bus) -> None:
    """A log shorter than what the owner has read has lost its tail: the owner must start again from it."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    lease = taken(await bus.leases.acquire(call, ALICE)).lease
    with pytest.raises(Fenced):
        await bus.log.commit(step(lease, 5, woke()))
    assert len(await bus.log.history(call)) == 1


async def test_a_repeated_commit_goes_in_once(bus: Bus) -> None:
    """Its reply may have been lost."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    lease = taken(await bus.leases.acquire(call, ALICE)).lease
    commit = step(lease, 1, woke())
    assert [(await bus.log.commit(commit)).applied for _ in range(2)] == [2, 2]
    assert len(await bus.log.history(call)) == 2


async def test_a_commit_of_an_older_epoch_is_fenced(bus: Bus) -> None:
    """The next owner decides; what the former one decided is not written."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    old = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.leases.release(old)
    new = taken(await bus.leases.acquire(call, BOB)).lease
    with pytest.raises(Fenced):
        await bus.log.commit(step(old, 1, woke()))
    assert len(await bus.log.history(call)) == 1
    assert (await bus.log.commit(step(new, 1, woke(2)))).applied == 2


async def test_a_call_that_is_over_keeps_late_events_and_has_no_owner(bus: Bus) -> None:
    """A post says `over`, so that the sender does not ring."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    lease = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.log.commit(step(lease, 1, woke(), phase=Phase.COMPLETED))
    late = await bus.log.post(call, (keyed("1"),))
    assert (late.over, late.owner, late.nudged, late.seqs) == (True, None, False, (3,))
