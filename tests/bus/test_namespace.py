"""Namespaces: two deployments on one server share neither keys nor channels, whatever their databases."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.bus.calls import ALICE, BOB, new_call, ringing, running, step, taken
from tests.fakes.redis_server import RedisServer
from voicecall.bus.agents.client import RedisAgentHosts
from voicecall.bus.agents.server import AgentServer
from voicecall.bus.agents.wire import TurnOffer
from voicecall.bus.connection import BusClient, connect, keys_of
from voicecall.bus.dead import DeadLetters
from voicecall.bus.doorbell import DramatiqDoorbell, sending_broker
from voicecall.bus.ended import EndedCalls
from voicecall.bus.entries import UndecodableEntry
from voicecall.bus.feed.feed import Feed
from voicecall.bus.idempotency import Idempotency
from voicecall.bus.keys import Keys
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.bus.operations import Operations
from voicecall.bus.public_address import PublicAddressPublisher, RedisPublicAddress
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, Epoch, LegId, NodeId, RequestId, Seq, StreamId
from voicecall.call.state import Phase
from voicecall.doctor.finding import Level
from voicecall.doctor.redis import foreign_namespaces, judge_namespace
from voicecall.errors import NotExposed, ServiceError
from voicecall.ports import Address, CallerAudio, MediaItem, Record, TurnRequest


class Deployment:
    """Every part of the bus on one client, and what it has received."""

    def __init__(self, redis: BusClient) -> None:
        self.redis = redis
        self.log, self.leases, self.live = RedisCallLog(redis), RedisLeases(redis), LiveCalls(redis)
        self.membership, self.ended, self.feed = Membership(redis), EndedCalls(redis), Feed(redis, look_s=0.05)
        self.nudges: list[tuple[CallId, tuple[Record, ...]]] = []
        self.items: list[MediaItem] = []
        self.offers: list[TurnOffer] = []
        self.channel = NodeChannel(redis, ALICE, on_records=self._on_records, on_gap=lambda: None)
        self.media = RedisMediaBus(redis, ALICE)
        self.server = AgentServer(redis, "gateway-1", on_offer=self.offers.append, on_cancel=lambda _: None)
        self.hosts = RedisAgentHosts(redis, offer_s=0.3)

    def _on_records(self, call: CallId, records: tuple[Record, ...]) -> None:
        self.nudges.append((call, records))

    def running(self):
        return running(
            self.channel.run(), self.media.run(self.items.append), self.server.run(), self.hosts.run(), self.feed.run()
        )

    async def ready(self) -> None:
        await asyncio.gather(self.channel.ready(), self.media.ready(), self.server.ready(), self.feed.ready())

    async def everything(self, call: CallId) -> None:
        """One of each thing that a deployment does in Redis."""
        redis = self.redis
        await self.live.reserve(call, limit=5)
        await self.log.post(call, (ringing(),), request_key="k", answer=b"a", stream_token="t")
        ingest = taken(await self.leases.acquire(call, ALICE))
        await self.log.post(call, (ringing(),))
        await self.leases.renew((ingest.lease,))
        await self.log.commit(step(ingest.lease, 2, ringing("CA9"), digits="1"))
        await self.membership.poll(ALICE)
        await self.membership.poll(BOB)
        await self.membership.calls_of(ALICE)
        await DeadLetters(redis, Scripts(redis)).set_aside(call, [UndecodableEntry(Seq(1), b"?", "why")])
        await Idempotency(redis).remember("key", "print", call)
        operations = Operations(redis)
        assert await operations.recall(await operations.remember(call, RequestId("r"), 60.0)) is not None
        await self.ended.elected("task", 60.0)
        await PublicAddressPublisher(redis, ALICE).announce(Address(webhook_url="https://w", stream_url="wss://s"))
        self.media.send(ALICE, CallerAudio(call=call, stream=StreamId("s"), first=0, mulaw=b"\xff"))
        await self.media.flush()
        with pytest.raises(ServiceError):
            await anext(self.hosts.ask(asked(call)))


def asked(call: CallId) -> TurnRequest:
    return TurnRequest(
        call=call,
        epoch=Epoch(1),
        turn=1,
        session_key="voice:1",
        agent=None,
        text="Hello?",
        transcript=(),
        system_prompt="",
        timeout_s=5.0,
        avoid=(),
    )


@pytest.fixture
async def server(servers: dict[str, RedisServer]) -> RedisServer:
    """A real server, empty: channels are common to its databases."""
    found = next(iter(servers.values()))
    async with connect(found.url) as redis:
        await redis.flushall()
    return found


def at(server: RedisServer, database: int, namespace: str | None = None) -> BusClient:
    return connect(f"redis://127.0.0.1:{server.port}/{database}", namespace=namespace)


async def names_on(server: RedisServer) -> set[str]:
    """Every key of databases 0 and 1, and every channel with a listener."""
    found: set[str] = set()
    for database in (0, 1):
        async with Redis.from_url(f"redis://127.0.0.1:{server.port}/{database}", decode_responses=True) as redis:
            found |= {key async for key in redis.scan_iter()} | set(await redis.pubsub_channels())
    return found


@pytest.mark.parametrize(("database", "namespace"), [(1, None), (0, "staging"), (1, "staging"), (0, "")], ids=str)
async def test_c1_two_deployments_on_one_server_share_nothing(
    server: RedisServer, database: int, namespace: str | None
) -> None:
    """The other one has another database, another namespace, both, or the names of an earlier build."""
    async with at(server, 0) as one, at(server, database, namespace) as two:
        ours, other, call = Deployment(one), Deployment(two), new_call()
        async with ours.running(), other.running():
            await asyncio.gather(ours.ready(), other.ready())
            await ours.everything(call)
            # What the other deployment sends itself arrives after anything of ours would have.
            await other.everything(other_call := new_call())
            while not (other.items and other.nudges and other.offers):  # noqa: ASYNC110  three lists, filled by Redis
                await asyncio.sleep(0.01)
        assert {item.call for item in other.items} == {other_call}
        assert {call for call, _ in other.nudges} == {other_call}
        assert {offer.call for offer in other.offers} == {other_call}
        assert {offer.call for offer in ours.offers} == {call}
        assert await other.live.list() == (other_call,)
        assert await other.log.history(call) == ()
        assert await other.log.find_call("mock", LegId("CA9")) is None


async def test_c1_the_other_deployment_s_address_is_not_ours(server: RedisServer) -> None:
    """A carrier would be given the webhook of a deployment that does not know the call."""
    async with at(server, 0, "blue") as one, at(server, 0, "green") as two:
        await PublicAddressPublisher(one, ALICE).announce(Address(webhook_url="https://w", stream_url="wss://s"))
        with pytest.raises(NotExposed):
            await RedisPublicAddress(two).now()
        assert await PublicAddressPublisher(two, BOB).announce(Address(webhook_url="https://x", stream_url="wss://x"))


@pytest.mark.parametrize(("namespace", "prefix"), [(None, "vc1:"), ("blue", "blue:")])
async def test_c1_every_key_and_channel_begins_with_the_namespace(
    server: RedisServer, namespace: str | None, prefix: str
) -> None:
    """A name without it would be shared with every other deployment on the server."""
    url = f"redis://127.0.0.1:{server.port}/1"
    broker = sending_broker(url, Keys.at(url, namespace))
    async with connect(url, namespace=namespace) as redis:
        deployment, call = Deployment(redis), new_call()
        async with deployment.running():
            await deployment.ready()
            await deployment.everything(call)
            await DramatiqDoorbell(broker).ring(call)
            names = await names_on(server)
    broker.close()
    assert {name for name in names if not name.startswith(prefix)} == set()
    assert {f"{prefix}{name}" for name in ("calls:live", "feed", "dead", "nodes", "jobs:calls", "agents:ask")} <= names


async def test_c1_an_empty_namespace_keeps_the_names_of_the_earlier_build(server: RedisServer) -> None:
    """So that both builds serve one system during a rolling upgrade."""
    async with at(server, 0, "") as redis:
        call = new_call()
        await RedisCallLog(redis).post(call, (ringing(),))
        assert await redis.xlen(f"call:{{{call}}}:log") == 1
        assert await redis.zcard("calls:live") == 1
    assert Keys("").jobs == "jobs"
    assert Keys("").node(ALICE) == f"node:{ALICE}"


async def test_b17_scripts_that_read_calls_from_a_set_use_the_names_they_are_given(server: RedisServer) -> None:
    """Slots without a log are freed, those with one stay, and a node's calls are found."""
    async with at(server, 0, "blue") as redis:
        deployment, call = Deployment(redis), new_call()
        await deployment.live.reserve(new_call(), limit=2, grace_s=-1.0)
        await deployment.log.post(call, (ringing(),))
        await redis.zadd(keys_of(redis).calls_live, {call: 1})
        assert await deployment.live.reserve(new_call(), limit=2)
        assert not await deployment.live.reserve(new_call(), limit=2)
        assert call in await deployment.live.list()
        async with running(deployment.channel.run()):
            await deployment.channel.ready()
            ingest = taken(await deployment.leases.acquire(call, ALICE))
            assert await deployment.membership.calls_of(ALICE) == (call,)
            assert await deployment.membership.calls_of(BOB) == ()
        await deployment.log.commit(step(ingest.lease, 1, phase=Phase.COMPLETED))


@pytest.mark.parametrize(
    ("url", "namespace"),
    [
        ("redis://h", "vc0"),
        ("redis://h/0", "vc0"),
        ("redis://:p@h:6380/7", "vc7"),
        ("rediss://h/2?ssl_cert_reqs=none", "vc2"),
        ("redis://h?db=3", "vc3"),
        ("unix:///run/redis.sock?db=4", "vc4"),
        ("unix:///run/redis.sock", "vc0"),
    ],
)
def test_c1_the_default_namespace_names_the_database(url: str, namespace: str) -> None:
    assert Keys.at(url).namespace == namespace
    assert Keys.at(url, "blue").namespace == "blue"
    assert keys_of(connect(url)).namespace == namespace


async def test_c1_doctor_warns_of_another_deployment_on_the_server(server: RedisServer) -> None:
    """Whatever its database; other programs' channels are none of it."""
    async with at(server, 0) as mine, at(server, 3, "staging") as other, at(server, 0, "") as older:
        programs = [NodeChannel(mine, NodeId("worker-1"), on_records=lambda *_: None, on_gap=lambda: None)]
        async with running(*(each.run() for each in programs)):
            await programs[0].ready()
            assert await foreign_namespaces(mine) == ()
            (alone,) = judge_namespace("vc0", ())
            assert alone.level is Level.OK
            worker = NodeChannel(older, NodeId("worker-2"), on_records=lambda *_: None, on_gap=lambda: None)
            gateway = AgentServer(other, "g", on_offer=lambda _: None, on_cancel=lambda _: None)
            async with running(worker.run(), gateway.run()), other.pubsub() as strange:
                await strange.subscribe("celery:node:x", "chat")
                await asyncio.gather(worker.ready(), gateway.ready())
                found = await foreign_namespaces(mine)
    assert found == ("", "staging")
    (warned,) = judge_namespace("vc0", found)
    assert (warned.level, "staging" in warned.seen, "no namespace" in warned.seen) == (Level.WARN, True, True)
