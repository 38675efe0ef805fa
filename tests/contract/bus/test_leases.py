"""What leases promise: one owner at a time, an epoch that grows, one claim for each effect."""

from tests.bus.calls import ALICE, BOB, keyed, new_call, ringing, step, taken, woke
from tests.contract.bus.conftest import Bus
from voicecall.call.events import Takeover
from voicecall.call.ids import EffectId
from voicecall.call.state import Phase


async def test_the_first_owner_gets_epoch_one_and_the_whole_log(bus: Bus) -> None:
    """Before the first commit there is no snapshot."""
    call = new_call()
    await bus.log.post(call, (ringing(), keyed("1")))
    ingest = taken(await bus.leases.acquire(call, ALICE))
    assert (ingest.lease.call, ingest.lease.node, ingest.lease.epoch) == (call, ALICE, 1)
    assert (ingest.call, ingest.applied, ingest.rest) == (None, 0, await bus.log.history(call))


async def test_the_next_owner_gets_the_snapshot_and_the_rest(bus: Bus) -> None:
    """It continues where the last commit ended."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    lease = taken(await bus.leases.acquire(call, ALICE)).lease
    commit = step(lease, 1, woke())
    await bus.log.commit(commit)
    await bus.log.post(call, (keyed("1"),))
    await bus.leases.release(lease)
    ingest = taken(await bus.leases.acquire(call, BOB))
    assert (ingest.lease.epoch, ingest.call, ingest.applied) == (2, commit.call, 2)
    assert [record.seq for record in ingest.rest] == [3]


async def test_a_call_that_was_never_posted_cannot_be_owned(bus: Bus) -> None:
    """A ring may come for a call that Redis has lost."""
    await bus.start(ALICE)
    assert await bus.leases.acquire(new_call(), ALICE) is None


async def test_a_living_owner_keeps_its_call(bus: Bus) -> None:
    """Neither another node nor a second activation on the same one gets it."""
    call = new_call()
    await bus.start(ALICE)
    await bus.start(BOB)
    await bus.log.post(call, (ringing(),))
    taken(await bus.leases.acquire(call, ALICE))
    assert await bus.leases.acquire(call, BOB) is None
    assert await bus.leases.acquire(call, ALICE) is None


async def test_the_call_of_a_dead_owner_is_stolen(bus: Bus) -> None:
    """The thief gets the next epoch, and the former owner's lease is lost."""
    call = new_call()
    await bus.start(ALICE)
    await bus.start(BOB)
    await bus.log.post(call, (ringing(),))
    old = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.kill(ALICE)
    new = taken(await bus.leases.acquire(call, BOB)).lease
    assert (new.node, new.epoch) == (BOB, 2)
    assert await bus.leases.renew((old, new)) == (old,)


async def test_renewing_returns_the_leases_that_are_lost(bus: Bus) -> None:
    """A lease is lost to a later epoch, and at the end of the call."""
    kept, over = new_call(), new_call()
    leases = []
    for call in (kept, over):
        await bus.log.post(call, (ringing(),))
        leases.append(taken(await bus.leases.acquire(call, ALICE)).lease)
    assert await bus.leases.renew(tuple(leases)) == ()
    await bus.log.commit(step(leases[1], 1, woke(), phase=Phase.COMPLETED))
    assert await bus.leases.renew(tuple(leases)) == (leases[1],)
    assert await bus.leases.renew(()) == ()


async def test_a_call_that_is_over_cannot_be_owned(bus: Bus) -> None:
    """It needs no activation any more."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    lease = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.log.commit(step(lease, 1, woke(), phase=Phase.COMPLETED))
    assert await bus.leases.acquire(call, BOB) is None


async def test_releasing_a_lost_lease_changes_nothing(bus: Bus) -> None:
    """A former owner that ends late must not take the call from its successor."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    old = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.leases.release(old)
    taken(await bus.leases.acquire(call, BOB))
    await bus.leases.release(old)
    assert (await bus.log.post(call, (keyed("1"),))).owner == BOB


async def test_c7_the_next_owner_learns_whether_the_call_was_handed_over(bus: Bus) -> None:
    """A plain release, as after a defect, is no hand-over, and a hand-over counts for the very next owner only."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    first = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.leases.release(first, handed_over=True)
    second = taken(await bus.leases.acquire(call, BOB))
    assert second.cause is Takeover.HANDED_OVER
    await bus.leases.release(second.lease)
    assert taken(await bus.leases.acquire(call, ALICE)).cause is Takeover.LAPSED


async def test_c7_the_next_owner_learns_that_the_last_one_died(bus: Bus) -> None:
    """Also when an earlier owner had handed the call over."""
    call = new_call()
    await bus.start(ALICE)
    await bus.start(BOB)
    await bus.log.post(call, (ringing(),))
    await bus.leases.release(taken(await bus.leases.acquire(call, BOB)).lease, handed_over=True)
    taken(await bus.leases.acquire(call, ALICE))
    await bus.kill(ALICE)
    assert taken(await bus.leases.acquire(call, BOB)).cause is Takeover.DIED


async def test_c7_a_late_hand_over_of_a_lost_lease_informs_no_one(bus: Bus) -> None:
    """The call has another owner by then; if that one fails, it did not hand over."""
    call = new_call()
    await bus.log.post(call, (ringing(),))
    old = taken(await bus.leases.acquire(call, ALICE)).lease
    await bus.leases.release(old)
    new = taken(await bus.leases.acquire(call, BOB)).lease
    await bus.leases.release(old, handed_over=True)
    await bus.leases.release(new)
    assert taken(await bus.leases.acquire(call, ALICE)).cause is Takeover.LAPSED


async def test_an_effect_is_claimed_once_by_the_current_epoch(bus: Bus) -> None:
    """The gate before a carrier command: a second activation must not dial again."""
    call, dial = new_call(), EffectId("1.0")
    await bus.log.post(call, (ringing(),))
    old = taken(await bus.leases.acquire(call, ALICE)).lease
    assert [await bus.leases.claim(old, dial) for _ in range(2)] == [True, False]
    await bus.leases.release(old)
    new = taken(await bus.leases.acquire(call, BOB)).lease
    assert not await bus.leases.claim(new, dial)
    assert not await bus.leases.claim(old, EffectId("1.1"))
    assert await bus.leases.claim(new, EffectId("2.0"))
