"""Redis behind Sentinels: real servers, of which one is killed, stopped or demoted."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from dramatiq import Broker
from redis.asyncio import Redis

from simulators.stack.redis import free_port
from tests.bus.calls import ALICE, BOB, new_call, ringing, running, taken
from tests.fakes.redis_server import start_redis
from tests.fakes.sentinels import Watched, watched
from voicecall.bus.connection import connect, connect_blocking, require_accepted
from voicecall.bus.doorbell import DramatiqDoorbell, sending_broker
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.doctor import Finding, Level, findings
from voicecall.errors import BusError, BusRefused, BusUnavailable, ConfigError

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """For tests that change nothing."""
    with watched(tmp_path_factory.mktemp("steady")) as found:
        asyncio.run(found.ready())
        yield found


@pytest.fixture
async def frail(tmp_path: Path) -> AsyncIterator[Watched]:
    """For tests that break something."""
    with watched(tmp_path) as found:
        await found.ready()
        yield found


async def answers_again(client: Redis) -> float:
    """Seconds until a write succeeds."""
    began = time.monotonic()
    async with asyncio.timeout(30):
        while True:
            try:
                await LiveCalls(client).reserve(new_call(), limit=1_000_000)
            except BusError:
                await asyncio.sleep(0.05)
            else:
                return time.monotonic() - began


def rings_again(broker: Broker) -> None:
    """Return when a ring is in the queue."""
    deadline = time.monotonic() + 30
    while True:
        try:
            asyncio.run(DramatiqDoorbell(broker).ring(new_call()))
        except BusUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


async def write_for(client: Redis, seconds: float) -> None:
    """Raises BusUnavailable as soon as a write does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await LiveCalls(client).reserve(new_call(), limit=1_000_000)
        await asyncio.sleep(0.1)


async def test_every_part_reaches_the_primary_that_the_sentinels_name(steady: Watched) -> None:
    """The bus, its subscriptions, and the client of the job queues."""
    async with connect(steady.url) as client:
        await require_accepted(client)
        call = new_call()
        await RedisCallLog(client).post(call, (ringing(),))
        assert len(await RedisCallLog(client).history(call)) == 1
    broker = sending_broker(steady.url)
    await DramatiqDoorbell(broker).ring(call)
    broker.close()
    async with Redis.from_url((await steady.primary()).url) as primary:
        assert await primary.exists(f"vc0:call:{{{call}}}:log", "vc0:jobs:calls") == 2


async def test_one_sentinel_that_answers_is_enough(steady: Watched) -> None:
    """The others are down, or hang: they cost a second at most."""
    nowhere = f"127.0.0.1:{free_port()}"
    url = steady.url.replace("redis+sentinel://", f"redis+sentinel://{nowhere},")
    for sentinel in steady.sentinels[1:]:
        sentinel.pause()
    try:
        async with connect(url) as client:
            await LiveCalls(client).count()
        connect_blocking(url).ping()
    finally:
        for sentinel in steady.sentinels[1:]:
            sentinel.resume()


async def test_a_service_that_no_sentinel_knows_is_a_failed_start(steady: Watched) -> None:
    async with connect(steady.url_of(service="other")) as client:
        with pytest.raises(
            ConfigError, match=r"No such master with that name; correct the name of the service in REDIS"
        ):
            await require_accepted(client)


async def test_a_server_in_the_place_of_a_sentinel_is_a_failed_start(steady: Watched) -> None:
    async with connect(f"redis+sentinel://127.0.0.1:{steady.servers[0].port}/voicecall") as client:
        with pytest.raises(ConfigError, match=r"the Sentinels refuse: .*; correct the hosts of the Sentinels"):
            await require_accepted(client)


async def test_sentinels_that_are_down_are_no_failed_start() -> None:
    """Processes may start in any order."""
    async with connect(f"redis+sentinel://127.0.0.1:{free_port()}/voicecall") as client:
        await require_accepted(client)
        with pytest.raises(BusUnavailable, match=r"^Redis does not answer: no Sentinel of voicecall answers") as caught:
            await LiveCalls(client).count()
        assert not isinstance(caught.value, BusRefused)


async def test_sentinels_with_a_password_of_their_own(steady: Watched) -> None:
    """It is another one than that of the servers, which may have none."""
    for sentinel in steady.sentinels:
        async with Redis.from_url(sentinel.url.removesuffix("/0")) as admin:
            await admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">s3cret")
    try:
        async with connect(steady.url) as client:
            with pytest.raises(BusRefused, match=r"the Sentinels refuse") as caught:
                await LiveCalls(client).count()
        assert "sentinel_password" in caught.value.remedy
        for query in ("?sentinel_password=s3cret", "?sentinel_username=default&sentinel_password=s3cret"):
            async with connect(steady.url_of(query=query)) as client:
                await LiveCalls(client).count()
            connect_blocking(steady.url_of(query=query)).ping()
    finally:
        for sentinel in steady.sentinels:
            async with Redis.from_url(sentinel.url.removesuffix("/0"), password="s3cret") as admin:
                await admin.execute_command("ACL", "SETUSER", "default", "resetpass", "nopass")


async def test_the_doctor_sees_the_sentinels_and_the_replica(frail: Watched, tmp_path: Path) -> None:
    """What a failover depends on; and what is wrong after one."""
    found = await examined(frail, tmp_path)
    assert found["redis.sentinels"].level is Level.OK
    assert found["redis.sentinels"].seen == f"3 agree on 127.0.0.1:{frail.servers[0].port}"
    assert (found["redis.rights"].level, found["redis.replicas"].level) == (Level.OK, Level.WARN)
    assert "min-replicas-to-write 1" in found["redis.replicas"].remedy
    frail.sentinels[2].kill()
    frail.servers[1].kill()
    async with connect(frail.url) as client:
        while (await client.info("replication"))["connected_slaves"]:  # noqa: ASYNC110  the server notices it
            await asyncio.sleep(0.05)
    found = await examined(frail, tmp_path)
    assert (found["redis.sentinels"].level, found["redis.replicas"].level) == (Level.WARN, Level.FAIL)
    assert found["redis.sentinels"].seen.startswith("2 of 3 answer; not 127.0.0.1:")
    frail.sentinels[1].kill()
    found = await examined(frail, tmp_path)
    assert found["redis.sentinels"].level is Level.FAIL


async def examined(redis: Watched, tmp_path: Path) -> dict[str, Finding]:
    path = tmp_path / "config.json"
    path.write_text('{"provider": "mock"}')
    nowhere = {"VOICECALL_GATEWAY_URL": "http://127.0.0.1:1", "VOICECALL_INGRESS_HEALTH": "127.0.0.1:1"}
    environment = {"VOICECALL_CONFIG": str(path), "REDIS_URL": redis.url, **nowhere}
    return {finding.check: finding async for finding in findings(environment)}


async def test_a_promoted_replica_takes_no_call_from_its_owner(frail: Watched) -> None:
    """It has run for long and nobody listens to it yet: the first node to come back must not take the calls of all."""
    alices, bobs = connect(frail.url), connect(frail.url)
    calls = [new_call() for _ in range(20)]
    leases, membership = RedisLeases(alices, ttl_s=30.0), Membership(alices)
    for call in calls:
        await RedisCallLog(alices).post(call, (ringing(),))
    held = [taken(await leases.acquire(call, ALICE)).lease for call in calls]
    alice = NodeChannel(alices, ALICE, on_records=lambda _call, _records: None, on_gap=lambda: None)
    bob = NodeChannel(bobs, BOB, on_records=lambda _call, _records: None, on_gap=lambda: None)
    async with running(bob.run()):
        await bob.ready()
        async with running(alice.run()):
            await alice.ready()
            await membership.poll(ALICE)
            former = await frail.primary()
            former.kill()
        # Alice lives, and is slower than Bob to listen again.
        await answers_again(bobs)
        await bob.ready()
        assert (await frail.primary()).port != former.port
        assert await Membership(bobs).poll(BOB) == ()
        assert [await RedisLeases(bobs).acquire(call, BOB) for call in calls] == [None] * len(calls)
        assert set(await Membership(bobs).present()) == {ALICE, BOB}
        assert await leases.renew(tuple(held)) == ()
    for client in (alices, bobs):
        await client.aclose()


async def test_what_is_connected_to_a_former_primary_follows(frail: Watched) -> None:
    """Stopped, not killed: its sockets stay open, and no error says that another one is the primary."""
    client = connect(frail.url, timeout_s=1.0)
    inbox: asyncio.Queue[None] = asyncio.Queue()
    channel = NodeChannel(client, ALICE, on_records=lambda _call, _records: None, on_gap=lambda: inbox.put_nowait(None))
    broker = sending_broker(frail.url)
    async with running(channel.run()):
        await channel.ready()
        await answers_again(client)
        former = await frail.primary()
        former.pause()
        await answers_again(client)
        await asyncio.wait_for(inbox.get(), 20)
        promoted = await frail.primary()
        assert promoted.port != former.port
        former.resume()
        async with Redis.from_url(promoted.url) as admin:
            assert dict(await admin.pubsub_numsub("vc0:node:worker-alice")) == {b"vc0:node:worker-alice": 1}
        await asyncio.to_thread(rings_again, broker)
    broker.close()
    await client.aclose()


async def test_a_primary_without_its_replica_is_left_when_there_is_another(tmp_path: Path) -> None:
    """min-replicas-to-write: a primary that is cut off from its replica refuses writes; its clients ask again."""
    with watched(tmp_path, options=("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")) as pair:
        await pair.ready()
        async with connect(pair.url) as client:
            await answers_again(client)
            replica = pair.servers[1]
            replica.pause()
            with pytest.raises(BusUnavailable, match="NOREPLICAS"):
                await write_for(client, 20.0)
            replica.resume()
            await answers_again(client)


async def test_a_replica_that_is_named_as_the_primary_is_not_used(tmp_path: Path) -> None:
    """A Sentinel that was cut off names a former primary."""
    primary = start_redis(tmp_path / "0")
    replica = start_redis(tmp_path / "1", options=("--replicaof", "127.0.0.1", str(primary.port)))
    with watched(tmp_path / "pair") as other:
        try:
            async with Redis.from_url(other.sentinels[0].url.removesuffix("/0")) as sentinel:
                await sentinel.execute_command("SENTINEL", "MONITOR", "wrong", "127.0.0.1", replica.port, 2)
            async with connect(f"redis+sentinel://127.0.0.1:{other.sentinels[0].port}/wrong") as client:
                with pytest.raises(BusUnavailable, match="is not the primary"):
                    await LiveCalls(client).count()
        finally:
            replica.kill()
            primary.kill()
