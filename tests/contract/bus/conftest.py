"""One bus for each implementation: over a real Redis server, and in memory.

fakeredis is not among them: it does not notice that a subscriber's socket is closed. A test sees a log, leases, and
nodes that can be started and killed; it does not know which implementation it runs on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Protocol

import pytest
from redis.asyncio import Redis

from tests.bus.calls import running
from tests.fakes.ingress import InMemoryLog
from tests.fakes.ports import InMemoryBus, ManualClock
from tests.fakes.redis_server import RedisServer, redis_binaries, start_redis
from voicecall.bus.connection import connect
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.call.ids import CallId, NodeId
from voicecall.ports import CallLog, IngressLog, Leases, Record

Nudge = tuple[NodeId, CallId, tuple[Record, ...]]


class Bus(Protocol):
    """A log with its leases, and the nodes that listen for nudges."""

    @property
    def log(self) -> CallLog: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def nudges(self) -> "asyncio.Queue[Nudge]": ...

    async def start(self, node: NodeId) -> None:
        """The node listens from now on."""
        ...

    async def kill(self, node: NodeId) -> None:
        """The node's process is gone, without a goodbye."""
        ...


class RedisBus:
    """The product's own implementation."""

    def __init__(self, redis: Redis) -> None:
        self.log = RedisCallLog(redis)
        self.leases = RedisLeases(redis)
        self.nudges: asyncio.Queue[Nudge] = asyncio.Queue()
        self._redis = redis
        self._listening: dict[NodeId, AsyncExitStack] = {}

    async def start(self, node: NodeId) -> None:
        def on_records(call: CallId, records: tuple[Record, ...]) -> None:
            self.nudges.put_nowait((node, call, records))

        channel = NodeChannel(self._redis, node, on_records=on_records, on_gap=lambda: None)
        stack = self._listening[node] = AsyncExitStack()
        await stack.enter_async_context(running(channel.run()))
        await channel.ready()
        await Membership(self._redis).poll(node)

    async def kill(self, node: NodeId) -> None:
        await self._listening.pop(node).aclose()

    async def close(self) -> None:
        for node in list(self._listening):
            await self.kill(node)


class MemoryBus:
    """The fake of the actors' tests."""

    def __init__(self) -> None:
        self.bus = InMemoryBus(ManualClock())
        self.bus.nudge = self._nudge
        self.nudges: asyncio.Queue[Nudge] = asyncio.Queue()
        self._listening: set[NodeId] = set()

    @property
    def log(self) -> InMemoryBus:
        return self.bus

    @property
    def leases(self) -> InMemoryBus:
        return self.bus

    async def start(self, node: NodeId) -> None:
        self._listening.add(node)
        self.bus.dead.discard(node)

    async def kill(self, node: NodeId) -> None:
        self._listening.discard(node)
        self.bus.dead.add(node)

    def _nudge(self, call: CallId, records: tuple[Record, ...]) -> bool:
        owner = self.bus.calls[call].owner
        if owner is None or owner not in self._listening:
            return False
        self.nudges.put_nowait((owner, call, records))
        return True


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    binary = next(iter(redis_binaries().values()))
    server = start_redis(tmp_path_factory.mktemp("contract"), binary=binary)
    yield server
    server.stop()


async def _empty(server: RedisServer) -> Redis:
    redis: Redis = connect(server.url)
    await redis.flushall()
    return redis


@pytest.fixture(params=["redis", "memory"])
async def bus(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[Bus]:
    """A bus without calls, on which no node listens yet."""
    if request.param == "memory":
        yield MemoryBus()
        return
    redis = await _empty(server)
    made = RedisBus(redis)
    yield made
    await made.close()
    await redis.aclose()


@pytest.fixture(params=["redis", "memory"])
async def ingress_log(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[IngressLog]:
    """A log as the ingress uses it, whose calls have no owner."""
    if request.param == "memory":
        yield InMemoryLog()
        return
    redis = await _empty(server)
    yield RedisCallLog(redis)
    await redis.aclose()
