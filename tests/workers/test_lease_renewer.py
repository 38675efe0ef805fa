"""Leases are kept from acquisition to release, and not one renewal longer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
from redis.asyncio import Redis

from tests.fakes.ports import eventually
from tests.fakes.redis_server import RedisServer
from voicecall.bus import keys
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


class Kept:
    """A keeper on a real Redis, and what it told."""

    def __init__(self, url: str, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisCallLog(redis)
        self.renewals: list[tuple[Lease, ...]] = []
        self.lease_renewer = LeaseRenewer(
            url, asyncio.get_running_loop(), lambda _sent, lost: self.renewals.append(lost)
        )
        self.leases = RenewedLeases(RedisLeases(redis), self.lease_renewer)

    async def acquired(self) -> Lease:
        await self.log.post(CALL, (DtmfReceived(digits="1"),))
        ingest = await self.leases.acquire(CALL, NODE)
        assert ingest is not None
        return ingest.lease

    async def renewed(self) -> tuple[Lease, ...]:
        """What the next renewal lost."""
        before = len(self.renewals)
        await eventually(lambda: len(self.renewals) > before)
        return self.renewals[-1]


@pytest.fixture
async def kept(server: RedisServer) -> AsyncIterator[Kept]:
    redis = connect(server.url)
    flushed: Awaitable[object] = redis.flushall()
    await flushed
    kept = Kept(server.url, redis)
    kept.lease_renewer.start()
    yield kept
    await asyncio.to_thread(kept.lease_renewer.stop)
    await redis.aclose()


async def test_a_held_lease_is_renewed_and_a_lost_one_is_told_once(kept: Kept) -> None:
    """Somebody else's epoch ends ours: the node hears of it with the next renewal, and never again."""
    lease = await kept.acquired()
    assert await kept.renewed() == ()

    await kept.redis.hincrby(keys.state(CALL), "epoch", 1)
    await kept.redis.set(keys.lease(CALL), "2 worker-2")

    while not (lost := await kept.renewed()):
        continue
    assert lost == (lease,)
    assert await kept.renewed() == ()


async def test_a_renewal_under_way_cannot_undo_a_release(kept: Kept) -> None:
    """A lease that ran out goes on under the same epoch when renewed; so a release waits for the renewal in flight."""
    for _ in range(20):
        lease = await kept.acquired()
        # Renewals as dense as they can be, on this loop beside the keeper's own.
        renewing = asyncio.ensure_future(kept.lease_renewer._renew(RedisLeases(kept.redis)))
        await asyncio.sleep(0)
        await kept.leases.release(lease)
        await renewing

        assert await kept.redis.exists(keys.lease(CALL)) == 0


async def test_a_dropped_lease_makes_room_only_for_its_own_epoch(kept: Kept) -> None:
    """A late goodbye of an old activation must not drop the newer one's lease."""
    old = await kept.acquired()
    await kept.leases.release(old)
    new = await kept.acquired()

    kept.lease_renewer.drop(old)

    assert kept.lease_renewer._held == {CALL: new}


def test_a_loop_on_a_thread_gives_results_failures_and_an_end() -> None:
    """Threads of dramatiq reach the node through it; it never keeps a process from ending."""
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
