"""Every test of the bus runs on fakeredis and on each available redis-server, under the same contract."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import fakeredis
import pytest
from redis.asyncio import Redis

from tests.fakes.redis_server import RedisServer, redis_binaries, start_redis
from voicecall.bus.connection import connect

Connect = Callable[[], Redis]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RedisServer]]:
    started: dict[str, RedisServer] = {}
    try:
        for label, binary in redis_binaries().items():
            started[label] = start_redis(tmp_path_factory.mktemp(label), binary=binary)
        yield started
    finally:
        for server in started.values():
            server.stop()


@pytest.fixture(params=["fakeredis", *redis_binaries()])
async def connect_again(request: pytest.FixtureRequest, servers: dict[str, RedisServer]) -> AsyncIterator[Connect]:
    """Makes clients of one empty server, each for one process of the test."""
    fake = fakeredis.FakeServer(version=(7,))
    clients: list[Redis] = []

    def connect_one() -> Redis:
        if request.param == "fakeredis":
            client: Redis = fakeredis.FakeAsyncRedis(server=fake)
        else:
            client = connect(servers[request.param].url)
        clients.append(client)
        return client

    await _flush(connect_one())
    yield connect_one
    for client in clients:
        await client.aclose()


@pytest.fixture
def redis(connect_again: Connect) -> Redis:
    return connect_again()


@pytest.fixture(params=[*redis_binaries()])
async def connect_real(request: pytest.FixtureRequest, servers: dict[str, RedisServer]) -> AsyncIterator[Connect]:
    """The same on real servers only, for what fakeredis lacks: sockets that close, CLIENT KILL, uptime."""
    clients: list[Redis] = []

    def connect_one() -> Redis:
        clients.append(connect(servers[request.param].url))
        return clients[-1]

    await _flush(connect_one())
    yield connect_one
    for client in clients:
        await client.aclose()


@pytest.fixture
def real(connect_real: Connect) -> Redis:
    return connect_real()


@pytest.fixture
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of the test's own, with every write on disk, to be killed and restarted."""
    server = start_redis(tmp_path_factory.mktemp("lasting"), aof=True)
    yield server
    server.stop()


def _flush(client: Redis) -> Awaitable[object]:
    return client.flushall()
