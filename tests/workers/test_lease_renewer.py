"""Leases are renewed from acquisition to release, and not once more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
from redis.asyncio import Redis

from tests.fakes.keys import keys
from tests.fakes.ports import eventually
from tests.fakes.redis_server import RedisServer
from voicecall.bus.connection import connect
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import DtmfReceived
from voicecall.call.ids import CallId, NodeId
from voicecall.ports import Lease
from workers.lease_renewer import LeaseRenewer, RenewedLeases
from workers.loop_thread import LoopThread

CALL = CallId("11111111-2222-4333-8444-555555555555")
NODE = NodeId("worker-1")


class Harness:
    """A renewer on a real Redis, and the renewals it reported."""

    def __init__(self, url: str, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisCallLog(redis)
        self.renewals: list[tuple[Lease, ...]] = []
        self.renewer = LeaseRenewer(url, asyncio.get_running_loop(), lambda _sent, lost: self.renewals.append(lost))
        self.leases = RenewedLeases(RedisLeases(redis), self.renewer)

    async def acquired(self) -> Lease:
        await self.log.post(CALL, (DtmfReceived(digits="1"),))
        ingest = await self.leases.acquire(CALL, NODE)
        assert ingest is not None
        return ingest.lease

    async def renewed(self) -> tuple[Lease, ...]:
        """The leases that the next renewal reports as lost."""
        before = len(self.renewals)
        await eventually(lambda: len(self.renewals) > before)
        return self.renewals[-1]


@pytest.fixture
async def harness(server: RedisServer) -> AsyncIterator[Harness]:
    redis = connect(server.url)
    flushed: Awaitable[object] = redis.flushall()
    await flushed
    harness = Harness(server.url, redis)
    harness.renewer.start()
    yield harness
    await asyncio.to_thread(harness.renewer.stop)
    await redis.aclose()


async def test_a_held_lease_is_renewed_and_a_lost_one_is_reported_once(harness: Harness) -> None:
    """A newer epoch ends the lease: the next renewal reports it, and no later one."""
    lease = await harness.acquired()
    assert await harness.renewed() == ()

    await harness.redis.hincrby(keys.state(CALL), "epoch", 1)
    await harness.redis.set(keys.lease(CALL), "2 worker-2")

    while not (lost := await harness.renewed()):
        continue
    assert lost == (lease,)
    assert await harness.renewed() == ()


async def test_a_renewal_in_flight_cannot_undo_a_release(harness: Harness) -> None:
    """Renewing a lease that ran out restores it under its epoch; so a release waits for the renewal in flight."""
    for _ in range(20):
        lease = await harness.acquired()
        # Renewals as frequent as possible, on this loop, beside those of the renewer's thread.
        renewing = asyncio.ensure_future(harness.renewer._renew(RedisLeases(harness.redis)))
        await asyncio.sleep(0)
        await harness.leases.release(lease)
        await renewing

        assert await harness.redis.exists(keys.lease(CALL)) == 0


async def test_dropping_a_lease_keeps_the_one_of_a_newer_epoch(harness: Harness) -> None:
    """An old activation that ends late must not drop the lease of the newer one."""
    old = await harness.acquired()
    await harness.leases.release(old)
    new = await harness.acquired()

    harness.renewer.drop(old)

    assert harness.renewer._held == {CALL: new}


def test_a_loop_on_a_thread_returns_results_raises_failures_and_stops() -> None:
    """The threads of dramatiq reach the node through it."""
    thread = LoopThread("test")
    thread.start()

    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise LookupError("no")

    assert thread.call(answer(), timeout_s=5) == 42
    with pytest.raises(LookupError):
        thread.call(fail(), timeout_s=5)
    with pytest.raises(TimeoutError):
        thread.call(asyncio.Event().wait(), timeout_s=0.01)
    thread.stop(timeout_s=5)
    thread.stop(timeout_s=5)
    assert thread.loop.is_closed()
