"""Live calls: the limit holds whatever crashes, and no call is forgotten."""

import asyncio

from redis.asyncio import Redis

from tests.bus.calls import ALICE, new_call, ringing, step, taken
from tests.fakes.keys import keys
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import CallRejected, EndReason, HungUp
from voicecall.call.ids import LegId
from voicecall.call.state import Phase


def refused() -> CallRejected:
    return CallRejected(
        carrier="mock", leg=LegId("CA1"), from_="+15550000003", to="+15550000001", reason="inbound-policy"
    )


async def test_no_more_calls_than_the_limit_begin(connect_again) -> None:
    """Many processes ask at once; the slots are counted in one step."""
    clients = [LiveCalls(connect_again()) for _ in range(4)]
    granted = await asyncio.gather(*(client.reserve(new_call(), limit=7) for client in clients * 10))
    assert sum(granted) == 7
    assert await clients[0].count() == 7


async def test_reserving_again_takes_no_second_slot(redis: Redis) -> None:
    """A repeated webhook of an inbound call must not count twice, nor be refused."""
    live, call = LiveCalls(redis), new_call()
    assert [await live.reserve(call, limit=1) for _ in range(3)] == [True] * 3
    assert await live.count() == 1
    assert not await live.reserve(new_call(), limit=1)


async def test_after_a_thousand_crashes_the_count_is_the_number_of_live_calls(redis: Redis) -> None:
    """A process may die between taking a slot and using it; such slots become free by themselves."""
    log, live = RedisCallLog(redis, grace_s=0.0), LiveCalls(redis)
    real = [new_call() for _ in range(25)]
    for call in real:
        assert await live.reserve(call, limit=10_000)
        await log.post(call, (ringing(),))
    await asyncio.gather(*(live.reserve(new_call(), limit=10_000, grace_s=0.0) for _ in range(1_000)))
    assert await live.count() == 1_025
    assert await live.reserve(new_call(), limit=26)
    assert not await live.reserve(new_call(), limit=26)
    assert await live.count() == 26
    assert set(real) <= set(await live.list())


async def test_a_slot_in_use_is_never_taken_away(redis: Redis) -> None:
    """An orphaned call still occupies a line at the carrier, so it counts until it has ended."""
    log, live, call = RedisCallLog(redis, grace_s=0.0), LiveCalls(redis), new_call()
    await log.post(call, (ringing(),))
    assert not await live.reserve(new_call(), limit=1)
    assert await live.list() == (call,)


async def test_a29_calls_that_we_place_keep_no_caller_out(redis: Redis) -> None:
    """And callers keep no call of ours back: each direction has a limit of its own."""
    live = LiveCalls(redis)
    assert await live.reserve(new_call(), limit=1)
    assert [await live.reserve(new_call(), limit=2, inbound=True) for _ in range(3)] == [True, True, False]
    assert not await live.reserve(new_call(), limit=1)
    assert await live.reserve(new_call(), limit=2)
    assert await live.count() == 4


async def test_a_call_that_is_over_takes_no_slot(redis: Redis) -> None:
    """A caller's first request may be repeated after the end: it must not come alive again."""
    live, call = LiveCalls(redis), new_call()
    await redis.hset(keys.state(call), "over", "1")
    assert not await live.reserve(call, limit=5, inbound=True)
    assert await live.count() == 0


async def test_a29_the_end_of_a_call_frees_a_slot_of_its_direction(redis: Redis) -> None:
    """Whichever process ends it: an inbound call that is not live any more counts for neither direction."""
    live, caller, callee = LiveCalls(redis), new_call(), new_call()
    assert await live.reserve(caller, limit=1, inbound=True)
    assert await live.reserve(callee, limit=1)
    await live.forget(caller)
    assert not await live.reserve(new_call(), limit=1)
    assert await live.reserve(new_call(), limit=1, inbound=True)
    await live.forget(callee)
    assert not await live.reserve(new_call(), limit=1, inbound=True)
    assert await live.reserve(new_call(), limit=1)
    assert await redis.zcard(keys.calls_inbound) == 1


async def test_a29_many_processes_admit_no_more_than_either_limit(connect_again) -> None:
    """Both directions at once, and repeated webhooks of the same callers."""
    clients = [LiveCalls(connect_again()) for _ in range(4)]
    callers = [new_call() for _ in range(20)]
    arriving = [client.reserve(call, limit=7, inbound=True) for client in clients for call in callers]
    placing = [client.reserve(new_call(), limit=5) for client in clients * 5]
    outcomes = await asyncio.gather(*arriving, *placing)
    admitted = {call for call, granted in zip(callers * 4, outcomes[:80], strict=True) if granted}
    assert (len(admitted), sum(outcomes[80:])) == (7, 5)
    assert await clients[0].count() == 12


async def test_a29_a_slot_of_an_older_process_counts_as_placed_until_its_arrival_is_known(redis: Redis) -> None:
    """Such a process writes `calls:live` only."""
    live, call = LiveCalls(redis), new_call()
    await redis.zadd(keys.calls_live, {call: 2**42})
    assert not await live.reserve(new_call(), limit=1)
    assert await live.reserve(call, limit=1, inbound=True)
    assert await live.reserve(new_call(), limit=1)


async def test_a29_a_caller_whose_ingress_died_keeps_no_slot(redis: Redis) -> None:
    """The reservation was never followed by an event."""
    live = LiveCalls(redis)
    assert await live.reserve(new_call(), limit=1, inbound=True, grace_s=0.0)
    assert await live.reserve(new_call(), limit=1, inbound=True)
    assert await live.count() == 1


async def test_a_slot_can_be_given_back(redis: Redis) -> None:
    """A call that was refused after its reservation leaves no trace."""
    live, call = LiveCalls(redis), new_call()
    await live.reserve(call, limit=1)
    await live.forget(call)
    assert await live.reserve(new_call(), limit=1)


async def test_a_refused_call_takes_no_slot(redis: Redis) -> None:
    """Refused calls must not keep an allowed caller out while workers are busy or gone."""
    log, leases, live = RedisCallLog(redis), RedisLeases(redis), LiveCalls(redis)
    stranger = new_call()
    await log.post(stranger, (refused(),), request_key="arrival")
    await log.post(stranger, (HungUp(leg=LegId("CA1"), reason=EndReason.COMPLETED),))
    ingest = taken(await leases.acquire(stranger, ALICE))
    assert await live.count() == 0
    assert await live.reserve(new_call(), limit=1)
    assert [type(record.event) for record in ingest.rest] == [CallRejected, HungUp]
    await log.commit(step(ingest.lease, 2, phase=Phase.HANGUP_BOT))
    assert await log.phase(stranger) is Phase.HANGUP_BOT


async def test_a_refusal_without_an_owner_expires(redis: Redis) -> None:
    """Without a worker nothing ends the call, so nothing else would remove it."""
    call = new_call()
    await RedisCallLog(redis, retention_s=60.0).post(call, (refused(),), request_key="arrival")
    kept = [await redis.pttl(key) for key in (keys.log(call), keys.state(call), keys.seen(call))]
    assert all(0 < left_ms <= 60_000 for left_ms in kept)


async def test_a_posted_call_without_an_owner_is_an_orphan_after_its_grace(redis: Redis) -> None:
    """Also when a longer reservation existed before."""
    live, call = LiveCalls(redis), new_call()
    await live.reserve(call, limit=5, grace_s=3600)
    await RedisCallLog(redis, grace_s=3600).post(call, (ringing(),))
    assert await live.orphans(10) == ()
    await RedisCallLog(redis, grace_s=0.0).post(call, (ringing(),))
    assert await live.orphans(10) == (call,)


async def test_an_owned_call_is_no_orphan_until_it_ends(redis: Redis) -> None:
    """The sweeper rings only for calls without an owner."""
    log, leases, live, call = RedisCallLog(redis, grace_s=0.0), RedisLeases(redis), LiveCalls(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await log.post(call, (ringing(),))
    assert await live.orphans(10) == ()
    await log.commit(step(ingest.lease, 2, phase=Phase.COMPLETED))
    assert (await live.orphans(10), await live.count()) == ((), 0)


async def test_the_longest_waiting_orphans_come_first_and_can_be_held_back(redis: Redis) -> None:
    """Several sweepers share the work instead of all ringing for the same calls."""
    log, live = RedisCallLog(redis, grace_s=0.0), LiveCalls(redis)
    calls = [new_call() for _ in range(3)]
    for call in calls:
        now = (await redis.time())[1] // 1000
        while (await redis.time())[1] // 1000 == now:
            pass  # a score counts milliseconds
        await log.post(call, (ringing(),))
    assert await live.orphans(2, hold_s=3600) == tuple(calls[:2])
    assert await live.orphans(2, hold_s=3600) == (calls[2],)
    assert await live.orphans(2) == ()
    assert await live.count() == 3
