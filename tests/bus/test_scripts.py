"""Running scripts: batches, unknown scripts, cancellation, restarts."""

import asyncio
import contextlib
import random

import pytest
from redis.asyncio import Redis

from tests.bus.calls import ALICE, keyed, new_call, ringing, step, taken
from tests.fakes.keys import keys
from voicecall.bus.connection import connect
from voicecall.bus.idempotency import Idempotency
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, LegId
from voicecall.errors import BusUnavailable


async def test_a_server_that_forgot_our_scripts_is_taught_again(redis: Redis) -> None:
    """After SCRIPT FLUSH, a failover or a restart scripts still run, and run once."""
    log, call = RedisCallLog(redis), new_call()
    for n in range(3):
        await redis.script_flush()
        posted = await asyncio.gather(*(log.post(call, (keyed(str(n)),)) for _ in range(5)))
        assert sorted(seq for one in posted for seq in one.seqs) == list(range(n * 5 + 1, n * 5 + 6))


async def test_concurrent_runs_share_round_trips(real: Redis) -> None:
    """Runs that start while a batch is in flight share the next one."""
    scripts = Scripts(real)
    before = (await real.info("clients"))["connected_clients"]
    replies = await asyncio.gather(*(scripts.run("remember", (f"idem:{n}",), f"v{n}", 60_000) for n in range(500)))
    assert replies == [f"v{n}".encode() for n in range(500)]
    assert (await real.info("clients"))["connected_clients"] <= before + 1


async def test_one_failing_script_of_a_batch_fails_alone(redis: Redis) -> None:
    """The others of the same pipeline succeed."""
    store = Idempotency(redis)
    await redis.lpush(keys.calls_live, "not a sorted set")
    live = LiveCalls(redis)
    results = await asyncio.gather(
        live._scripts.run("reserve", (keys.calls_live,), new_call(), 5, 1_000, keys.call_prefix),
        live._scripts.run("remember", ("idem:x",), "fine", 60_000),
        store.remember("k", "f", call := new_call()),
        return_exceptions=True,
    )
    assert isinstance(results[0], Exception)
    assert results[1:] == [b"fine", call]


async def test_cancelled_commands_never_mix_up_replies(redis: Redis) -> None:
    """In redis-py of 2023 a cancelled command left its reply for the next user of the connection (attack 88)."""
    log, rng = RedisCallLog(redis), random.Random(88)
    legs = {LegId(f"leg{n}"): new_call() for n in range(50)}
    for leg, call in legs.items():
        await redis.set(keys.leg("mock", leg), call)
    cancelled = 0

    async def ask(n: int) -> None:
        leg, key = LegId(f"leg{n % 50}"), f"{n}"
        if n % 2:
            assert await log.find_call("mock", leg) == legs[leg]
        else:
            assert await log._scripts.run("remember", (keys.idem(key),), key, 60_000) == key.encode()

    for start in range(0, 1_000, 50):
        tasks = [asyncio.create_task(ask(n)) for n in range(start, start + 50)]
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        for task in rng.sample(tasks, 20):
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
            cancelled += task.cancelled()
    assert cancelled > 100
    for leg, call in legs.items():
        assert await log.find_call("mock", leg) == call


async def test_a_cancelled_run_does_not_undo_its_script(redis: Redis) -> None:
    """Cancelled after sending, a post is in the log: the carrier's repetition is then a replay."""
    log, call = RedisCallLog(redis), new_call()
    posting = asyncio.create_task(log.post(call, (ringing(),), request_key="k"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    posting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await posting
    assert (await log.post(call, (ringing(),), request_key="k")).replay
    assert len(await log.history(call)) == 1


async def test_a_restart_keeps_replay_refusals_leases_and_snapshots(lasting) -> None:
    """With every write on disk, a killed Redis restarts with what it acknowledged (guarantee P8)."""
    client = connect(lasting.url)
    log, leases, call = RedisCallLog(client), RedisLeases(client, ttl_s=3600), new_call()
    await log.post(call, (ringing(),), request_key="k", answer=b"first")
    ingest = taken(await leases.acquire(call, ALICE))
    committed = await log.commit(commit := step(ingest.lease, 1, keyed("1")))
    await asyncio.to_thread(lasting.restart)
    replay = await log.post(call, (ringing(),), request_key="k")
    assert (replay.replay, replay.answer, replay.owner) == (True, b"first", ALICE)
    assert await log.commit(commit) == committed
    assert await leases.renew((ingest.lease,)) == ()
    assert len(await log.history(call)) == 2
    await client.aclose()


async def test_an_outage_fails_at_once_and_ends_at_once(lasting) -> None:
    """No run hangs during an outage, and none fails after it."""
    client = connect(lasting.url)
    log, call = RedisCallLog(client), new_call()
    await log.post(call, (keyed("0"),))
    lasting.kill()
    outcomes = await asyncio.gather(*(log.post(call, (keyed("1"),)) for _ in range(300)), return_exceptions=True)
    assert all(isinstance(outcome, BusUnavailable) for outcome in outcomes)
    await asyncio.to_thread(lasting.restart)
    assert (await log.post(call, (keyed("2"),))).seqs == (2,)
    await client.aclose()


async def test_a_server_that_hangs_is_unavailable(lasting) -> None:
    """A reply that never comes ends with the timeout."""
    client = connect(lasting.url, timeout_s=0.1)
    log, call = RedisCallLog(client), new_call()
    await log.post(call, (ringing(),), request_key="k")
    lasting.pause()
    with pytest.raises(BusUnavailable):
        await log.post(call, (ringing(),), request_key="late")
    lasting.resume()
    while not await _taken(log, call):
        pass  # the server is still reading what arrived while it was paused
    assert len(await log.history(call)) == 2
    await client.aclose()


async def _taken(log: RedisCallLog, call: CallId) -> bool:
    with contextlib.suppress(BusUnavailable):
        await log.post(call, (ringing(),), request_key="late")
        return True
    return False
