"""Leases: one owner at a time, and a stale one cannot act (guarantee P1)."""

import asyncio

from redis.asyncio import Redis

from tests.bus.calls import ALICE, BOB, a_call, is_heard, keyed, new_call, ringing, running, step, taken, woke
from tests.fakes.keys import keys
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.call.ids import CallId, EffectId, NodeId
from voicecall.call.state import Phase
from voicecall.ports import Lease
from voicecall.wire import pack_call


def channel(redis: Redis, node: NodeId) -> NodeChannel:
    return NodeChannel(redis, node, on_records=lambda _call, _records: None, on_gap=lambda: None)


async def posted(redis: Redis) -> CallId:
    call = new_call()
    await RedisCallLog(redis).post(call, (ringing(),))
    return call


async def test_of_many_racers_one_owns_the_call(connect_again) -> None:
    """However many nodes try at once."""
    racers = [RedisLeases(connect_again()) for _ in range(5)]
    call = await posted(connect_again())
    won = await asyncio.gather(*(racer.acquire(call, NodeId(f"worker-{n}")) for n, racer in enumerate(racers * 4)))
    assert sum(ingest is not None for ingest in won) == 1


async def test_a_new_owner_starts_from_snapshot_and_rest_of_the_log(redis: Redis) -> None:
    """One round trip gives everything an activation needs."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), await posted(redis)
    first = taken(await leases.acquire(call, ALICE))
    assert (first.call, first.applied, [record.seq for record in first.rest]) == (None, 0, [1])
    await log.commit(step(first.lease, 1, woke()))
    await log.post(call, (keyed("7"),))
    await leases.release(first.lease)
    second = taken(await leases.acquire(call, BOB))
    assert (second.call, second.applied, [record.seq for record in second.rest]) == (a_call(call), 2, [3])
    assert second.lease == Lease(call=call, node=BOB, epoch=2)


async def test_the_owner_of_a_call_can_be_read(redis: Redis) -> None:
    """None before anyone owns it, and after it was released."""
    leases, call = RedisLeases(redis), await posted(redis)
    assert await leases.owner(call) is None
    owned = taken(await leases.acquire(call, ALICE))
    assert await leases.owner(call) == ALICE
    await leases.release(owned.lease)
    assert await leases.owner(call) is None


async def test_an_owner_keeps_its_call_while_its_channel_has_a_listener(connect_again) -> None:
    """A second ring, or a second message for one call, changes nothing."""
    redis = connect_again()
    call, alice, bob = await posted(redis), channel(connect_again(), ALICE), channel(connect_again(), BOB)
    leases = RedisLeases(redis, second_look_s=0.0)
    async with running(alice.run(), bob.run()):
        await alice.ready()
        await bob.ready()
        taken(await leases.acquire(call, ALICE))
        assert await leases.acquire(call, BOB) is None
        assert await leases.acquire(call, ALICE) is None


async def test_a_dead_owners_call_is_taken_at_once(connect_real) -> None:
    """The kernel closes a killed process's socket, long before the lease expires."""
    redis = connect_real()
    call, alice, bob = await posted(redis), channel(connect_real(), ALICE), channel(connect_real(), BOB)
    leases = RedisLeases(redis, ttl_s=3600, second_look_s=0.0)
    async with running(bob.run()):
        await bob.ready()
        async with running(alice.run()):
            await alice.ready()
            await Membership(redis).poll(ALICE)
            lost = taken(await leases.acquire(call, ALICE))
            assert await leases.acquire(call, BOB) is None
        while await is_heard(redis, ALICE):
            pass  # the server has not read the end of that socket yet
        stolen = taken(await leases.acquire(call, BOB))
    assert stolen.lease.epoch == lost.lease.epoch + 1
    assert not await leases.claim(lost.lease, EffectId(f"{call}.1"))
    assert await leases.renew((lost.lease, stolen.lease)) == (lost.lease,)


async def test_a_node_without_a_listener_takes_no_call(redis: Redis) -> None:
    """After a restart of Redis no channel has a listener for a moment, although all nodes live."""
    call, leases = await posted(redis), RedisLeases(redis, second_look_s=0.0)
    taken(await leases.acquire(call, ALICE))
    assert await leases.acquire(call, BOB) is None


async def test_an_owner_that_never_listened_on_this_server_is_not_dead(real: Redis) -> None:
    """After a restart or a promotion, the first to subscribe must not take the calls of those on their way."""
    call, alice, bob = await posted(real), channel(real, ALICE), channel(real, BOB)
    leases, membership = RedisLeases(real, second_look_s=0.0), Membership(real)
    taken(await leases.acquire(call, ALICE))
    async with running(alice.run()):
        await alice.ready()
        await membership.poll(ALICE)
    while await is_heard(real, ALICE):
        pass  # the server has not read the end of that socket yet
    async with running(bob.run()):
        await bob.ready()
        here = await real.get(keys.listened(ALICE))
        for elsewhere in (b"the former primary", None, b""):
            await (
                real.delete(keys.listened(ALICE)) if elsewhere is None else real.set(keys.listened(ALICE), elsewhere)
            )
            assert await leases.acquire(call, BOB) is None
            assert await membership.poll(BOB) == ()
        await real.set(keys.listened(ALICE), here)
        assert await membership.poll(BOB) == (ALICE,)
        assert taken(await leases.acquire(call, BOB)).lease.epoch == 2


async def test_an_expired_lease_is_free(redis: Redis) -> None:
    """An owner that hangs keeps its socket open, but its lease expires."""
    call, leases = await posted(redis), RedisLeases(redis)
    taken(await leases.acquire(call, ALICE))
    await redis.delete(keys.lease(call))
    assert taken(await leases.acquire(call, BOB)).lease.epoch == 2


async def test_a_lease_always_has_an_end(redis: Redis) -> None:
    """Acquired or renewed, it expires, and the sweeper knows when."""
    call, leases = await posted(redis), RedisLeases(redis, ttl_s=4.0)
    ingest = taken(await leases.acquire(call, ALICE))
    for renewal in (False, True):
        if renewal:
            assert await leases.renew((ingest.lease,)) == ()
        assert 3_000 < await redis.pttl(keys.lease(call)) <= 4_000
        seconds, _ = await redis.time()
        assert 2_000 < await redis.zscore(keys.calls_live, call) - seconds * 1000 <= 5_000


async def test_a_lease_that_ran_out_goes_on_if_nobody_came(redis: Redis) -> None:
    """A short outage of Redis costs no call its owner: the epoch is still the newest."""
    call, leases = await posted(redis), RedisLeases(redis)
    ingest = taken(await leases.acquire(call, ALICE))
    await redis.delete(keys.lease(call))
    assert await leases.renew((ingest.lease,)) == ()
    assert await redis.get(keys.lease(call)) == b"1 worker-alice"


async def test_renewal_names_exactly_what_is_lost(redis: Redis) -> None:
    """Calls taken by others and calls that are over, out of many."""
    log, leases = RedisCallLog(redis), RedisLeases(redis)
    mine = [taken(await leases.acquire(await posted(redis), ALICE)).lease for _ in range(5)]
    await leases.release(mine[1])
    taken(await leases.acquire(mine[1].call, BOB))
    await log.commit(step(mine[3], 1, phase=Phase.COMPLETED))
    assert await leases.renew(tuple(mine)) == (mine[1], mine[3])
    assert await leases.renew(()) == ()
    assert mine[3].call not in await LiveCalls(redis).list()


async def test_a_released_call_is_an_orphan_at_once(redis: Redis) -> None:
    """A worker that exits hands its calls over at once."""
    call, leases, live = await posted(redis), RedisLeases(redis), LiveCalls(redis)
    ingest = taken(await leases.acquire(call, ALICE))
    assert await live.orphans(10) == ()
    await leases.release(ingest.lease)
    assert await live.orphans(10) == (call,)


async def test_only_the_owner_can_release(redis: Redis) -> None:
    """A stale owner that shuts down must not release its successor's lease."""
    call, leases = await posted(redis), RedisLeases(redis)
    stale = taken(await leases.acquire(call, ALICE))
    await leases.release(stale.lease)
    taken(await leases.acquire(call, BOB))
    await leases.release(stale.lease)
    assert await redis.get(keys.lease(call)) == b"2 worker-bob"


async def test_an_effect_is_claimed_once_by_the_newest_epoch(redis: Redis) -> None:
    """At most one dial, also while a stale activation believes to own the call (guarantee P3)."""
    call, leases = await posted(redis), RedisLeases(redis)
    stale = taken(await leases.acquire(call, ALICE))
    done, undone = EffectId(f"{call}.1"), EffectId(f"{call}.2")
    assert [await leases.claim(stale.lease, done) for _ in range(2)] == [True, False]
    await leases.release(stale.lease)
    fresh = taken(await leases.acquire(call, BOB))
    assert not await leases.claim(stale.lease, undone)
    assert not await leases.claim(fresh.lease, done)
    assert await leases.claim(fresh.lease, undone)


async def test_a_call_that_never_was_is_not_acquired(redis: Redis) -> None:
    """A late or forged ring does not begin a call."""
    leases, live, call = RedisLeases(redis), LiveCalls(redis), new_call()
    await live.reserve(call, limit=5)
    assert await leases.acquire(call, ALICE) is None
    assert await live.count() == 0


async def test_a_call_that_is_over_is_removed_not_acquired(redis: Redis) -> None:
    """A late ring removes an ended call from the live calls and activates nothing."""
    call, leases, live = await posted(redis), RedisLeases(redis), LiveCalls(redis)
    ingest = taken(await leases.acquire(call, ALICE))
    await RedisCallLog(redis).commit(step(ingest.lease, 1, phase=Phase.FAILED))
    await live.reserve(call, limit=5)
    assert await leases.acquire(call, BOB) is None
    assert await live.count() == 0


async def test_an_unreadable_snapshot_is_folded_again_from_the_log(redis: Redis) -> None:
    """The log is complete while the call is live."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), await posted(redis)
    first = taken(await leases.acquire(call, ALICE))
    await log.commit(step(first.lease, 1, woke(), keyed("4")))
    assert pack_call(a_call(call)) == await redis.hget(keys.state(call), "snapshot")
    await redis.hset(keys.state(call), "snapshot", b"\xc1")
    await leases.release(first.lease)
    second = taken(await leases.acquire(call, BOB))
    assert (second.call, second.applied, [record.seq for record in second.rest]) == (None, 0, [1, 2, 3])
    assert await redis.xlen(keys.dead) == 1
