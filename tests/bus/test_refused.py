"""A Redis that answers and refuses: its own words, what to do about it, and no traceback anywhere."""

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator, Iterator
from importlib import resources
from pathlib import Path

import dramatiq.brokers.redis
import pytest
from redis.asyncio import Redis

from tests.bus.calls import new_call, ringing
from tests.fakes.redis_server import RedisServer, start_redis
from tests.fakes.redis_user import documented_user
from voicecall import metrics
from voicecall.bus.acceptance import COMMANDS, QUEUE_COMMANDS
from voicecall.bus.clock import RedisClock
from voicecall.bus.connection import connect, require_accepted
from voicecall.bus.doorbell import DramatiqDoorbell, require_queue, sending_broker
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import NodeId
from voicecall.doctor import Finding, Level, findings
from voicecall.errors import BusRefused, BusUnavailable, ConfigError
from voicecall.settings import Deployment

PASSWORD = "correct-horse"
SLOTS = 16_384


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with a password."""
    server = start_redis(tmp_path_factory.mktemp("locked"))
    asyncio.run(_administer(server, "CONFIG SET", "requirepass", PASSWORD))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A cluster of one node that serves every slot."""
    port = _low_port()
    server = start_redis(tmp_path_factory.mktemp("cluster"), port=port, options=("--cluster-enabled", "yes"))
    asyncio.run(_administer(server, "CLUSTER ADDSLOTS", *range(SLOTS)))
    yield server
    server.stop()


@pytest.fixture
async def limited(server: RedisServer) -> AsyncIterator[Redis]:
    """An administrator's client of a server on which `user` has few permissions."""
    async with Redis.from_url(server.url) as redis:
        yield redis
        await redis.execute_command("ACL", "DELUSER", "user")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    directory = tmp_path_factory.mktemp("open")
    server = start_redis(directory, options=("--unixsocket", str(directory / "redis.sock")))
    yield server
    server.stop()


async def _administer(server: RedisServer, *command: object) -> None:
    async with Redis.from_url(server.url) as redis:
        await redis.execute_command(*command)


def _low_port() -> int:
    """A cluster also listens on its port plus 10,000; the system gives out ports above 32,768."""
    while True:
        port = random.randrange(11_000, 21_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def url_of(server: RedisServer, password: str = "", *, database: object = 0, user: str = "") -> str:
    return f"redis://{user}:{password}@127.0.0.1:{server.port}/{database}"


async def refusal_of(url: str) -> BusRefused:
    """What each part of the bus raises; the same for all."""
    client = connect(url)
    found: list[BusRefused] = []
    for attempt in (
        RedisCallLog(client).post(new_call(), (ringing(),)),
        RedisCallLog(client).read(new_call()),
        LiveCalls(client).count(),
    ):
        with pytest.raises(BusRefused) as caught:
            await attempt
        found.append(caught.value)
    await client.aclose()
    assert {error.remedy for error in found} == {found[0].remedy}
    return found[0]


@pytest.mark.parametrize(
    ("password", "words"),
    # Redis 7 takes no long command from a client without a password.
    [("", "Redis refuses: (NOAUTH |ERR Protocol error: unauthenticated )"), ("wrong", "Redis refuses: WRONGPASS ")],
)
async def test_c14_a_wrong_password_is_said_in_the_servers_words(
    locked: RedisServer, password: str, words: str
) -> None:
    """And the password is not."""
    url = f"redis://127.0.0.1:{locked.port}/0" if not password else url_of(locked, password)
    error = await refusal_of(url)
    assert re.match(words, str(error))
    assert "password" in error.remedy
    assert "wrong" not in str(error)


async def test_c14_a_password_for_a_server_without_one_is_said(server: RedisServer) -> None:
    error = await refusal_of(url_of(server, "needless", user="nobody-known"))
    assert "password" in error.remedy


async def test_c14_a_cluster_is_named(cluster: RedisServer) -> None:
    """Single commands may be redirected; scripts and two keys are refused."""
    client = connect(cluster.url)
    with pytest.raises(BusRefused, match="CROSSSLOT") as caught:
        await RedisCallLog(client).post(new_call(), (ringing(),))
    assert "cluster" in caught.value.remedy
    with pytest.raises(ConfigError, match=r"Redis refuses: CROSSSLOT .*; it is a cluster"):
        await require_accepted(client)
    await client.aclose()


async def test_c14_a_database_of_a_cluster_is_refused(cluster: RedisServer) -> None:
    error = await refusal_of(url_of(cluster, database=3).replace(":@", ""))
    assert "cluster" in str(error) + error.remedy


async def test_c14_a_database_out_of_range_is_said(server: RedisServer) -> None:
    error = await refusal_of(f"redis://127.0.0.1:{server.port}/99")
    assert str(error) == "Redis refuses: ERR DB index is out of range"
    assert "database" in error.remedy


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("~* &* +@all -evalsha -eval -exists", "exists"),
        ("~other:* &* +@all", "keys"),
        ("~* resetchannels &other:* +@all", "channel"),
        ("~* &* +@all -eval", "eval"),
        ("~* &* +@all -@write", "set"),
        ("~* &* +@all -zadd", "zadd"),
        ("~* &* +@all -xrevrange", "xrevrange"),
        ("~* &* +@all -time", "time"),
        ("~* &* +@all -subscribe", "subscribe"),
        ("~* &* +@all -pubsub", "pubsub"),
        ("~* &* +@all -ping", "ping"),
        ("~* &* +@all -info", "info"),
    ],
)
async def test_c14_a_missing_permission_is_a_failed_start_that_names_it(
    server: RedisServer, limited: Redis, rules: str, words: str
) -> None:
    """A command, the keys, the channels, the scripts."""
    await limited.execute_command("ACL", "SETUSER", "user", "on", ">pw", *rules.split())
    client = connect(url_of(server, "pw", user="user"))
    with pytest.raises(ConfigError, match=rf"Redis refuses: NOPERM .*{words}.*docs/operations\.md"):
        await require_accepted(client)
    await client.aclose()


async def test_c14_the_queues_of_the_same_server_need_their_commands_too(server: RedisServer, limited: Redis) -> None:
    await limited.execute_command("ACL", "SETUSER", "user", "on", ">pw", "~*", "&*", "+@all", "-rpush")
    with pytest.raises(
        ConfigError, match=r"Redis refuses: NOPERM .*rpush.*; give the user of REDIS_URL the permissions"
    ):
        await require_queue(Deployment(redis_url=url_of(server, "pw", user="user")))


async def test_c12_each_right_of_the_documented_user_is_needed_and_missed_by_name(
    server: RedisServer, limited: Redis
) -> None:
    """Those of the queues too. Two are not for the start: another database, and the doctor's search."""
    rights = [word for word in documented_user().split() if word.startswith("+")]
    for right in set(rights) - {"+select", "+pubsub|channels"}:
        await limited.execute_command("ACL", "SETUSER", "user", "reset", *documented_user().split()[2:])
        await limited.execute_command("ACL", "SETUSER", "user", f"-{right[1:].partition('|')[0]}")
        url = url_of(server, "PASSWORD", user="user")
        async with connect(url) as client:
            with pytest.raises(ConfigError, match=rf"NOPERM .*'?{right[1:].partition('|')[0]}.*docs/operations\.md"):
                await accepted(client, url)
    await limited.execute_command("ACL", "SETUSER", "user", "reset", *documented_user().split()[2:])
    async with connect(url) as client:
        await accepted(client, url)


async def accepted(client: Redis, url: str) -> None:
    """What a process tries at its start."""
    await require_accepted(client)
    await require_queue(Deployment(redis_url=url))


async def test_c14_what_was_tried_at_the_start_leaves_nothing(server: RedisServer) -> None:
    async with connect(server.url, namespace="tried") as client:
        await require_accepted(client)
        assert [key async for key in client.scan_iter(match="tried:*")] == []


def test_c14_every_command_of_a_script_is_tried_at_the_start() -> None:
    """One that is missing here would be noticed by the first call."""
    lua = resources.files("voicecall.bus") / "lua"
    texts = "".join(file.read_text() for file in lua.iterdir() if file.name.endswith(".lua"))
    used = {name.upper() for name in re.findall(r"redis\.p?call\(\s*['\"](\w+)", texts)}
    assert used - {command[0] for command in COMMANDS} <= {"PUBLISH", "PUBSUB"}
    broker = Path(dramatiq.brokers.redis.__file__).parent / "redis"
    queues = "".join(file.read_text() for file in broker.glob("*.lua"))
    used = {name.upper() for name in re.findall(r"call\(\"(\w+)\"", queues)}
    assert used - {command[0] for command in QUEUE_COMMANDS} == {"KEYS"}


def test_c12_the_documented_user_may_do_what_is_tried_and_little_else() -> None:
    rights = {word[1:].partition("|")[0].upper() for word in documented_user().split() if word.startswith("+")}
    others = {"EVAL", "EVALSHA", "SUBSCRIBE", "PUBLISH", "PUBSUB", "SELECT"}
    assert rights == {command[0] for command in (*COMMANDS, *QUEUE_COMMANDS)} | others


async def test_c14_a_permission_that_is_taken_away_later_is_a_refusal_within_scripts_too(
    server: RedisServer, limited: Redis
) -> None:
    """A worker ended with exit status 1: the words of a script's refusal have no prefix in Redis 6.2."""
    await limited.execute_command("ACL", "SETUSER", "user", "on", ">pw", "~*", "&*", "+@all", "-zadd", "-xadd")
    async with connect(url_of(server, "pw", user="user")) as client:
        with pytest.raises(BusRefused) as caught:
            await RedisCallLog(client).post(new_call(), (ringing(),))
    assert "permissions" in caught.value.remedy


async def test_c14_another_server_in_the_place_of_redis_is_a_failed_start() -> None:
    """A port that is one off is often that of a web server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as web:
        client = connect(f"redis://127.0.0.1:{web.sockets[0].getsockname()[1]}/0")
        with pytest.raises(ConfigError, match=r"; it is no Redis server: correct the host and the port in REDIS_URL"):
            await require_accepted(client)
        await client.aclose()


@pytest.mark.parametrize(
    ("setting", "words"), [("maxmemory", "OOM command not allowed"), ("replica", "READONLY You can't")]
)
async def test_c14_a_server_that_takes_no_writes_is_said_in_its_words(tmp_path: Path, setting: str, words: str) -> None:
    """It may again: no failed start. A command and a script say the same."""
    own = start_redis(tmp_path)
    await _administer(
        own, *(("CONFIG SET", "maxmemory", "1") if setting == "maxmemory" else ("REPLICAOF", "127.0.0.1", "1"))
    )
    client = connect(own.url)
    await require_accepted(client)
    for attempt in (
        Ingresses(client).announce(NodeId("ingress-a")),
        RedisCallLog(client).post(new_call(), (ringing(),)),
    ):
        with pytest.raises(BusUnavailable, match=f"^Redis refuses: {words}"):
            await attempt
    await client.aclose()
    own.stop()


async def test_c14_a_server_that_is_down_is_no_failed_start() -> None:
    """Processes may start in any order; the words are those of the operating system."""
    client = connect("redis://127.0.0.1:1/0")
    await require_accepted(client)
    with pytest.raises(BusUnavailable, match=r"^Redis does not answer: .*127\.0\.0\.1:1") as caught:
        await LiveCalls(client).count()
    assert not isinstance(caught.value, BusRefused)
    await client.aclose()


async def test_c14_another_server_for_the_queues_that_refuses_is_named_by_its_variable(locked: RedisServer) -> None:
    refused = Deployment(jobs_redis_url=url_of(locked, "wrong"))
    with pytest.raises(ConfigError, match=r"WRONGPASS .*VOICECALL_JOBS_REDIS_URL"):
        await require_queue(refused)
    await require_queue(Deployment(jobs_redis_url=url_of(locked, PASSWORD)))
    await require_queue(Deployment(jobs_redis_url="redis://127.0.0.1:1/0"))
    broker = sending_broker(url_of(locked, "wrong"))
    before = rings("failed")
    with pytest.raises(BusUnavailable):
        await DramatiqDoorbell(broker).ring(new_call())
    assert rings("failed") == before + 1
    broker.close()


async def test_c14_a_unix_socket_serves_like_an_address(server: RedisServer) -> None:
    url = f"unix://{server.directory}/redis.sock"
    async with connect(url) as client:
        await require_accepted(client)
        await RedisClock(client).calibrate()
        call = new_call()
        await RedisCallLog(client).post(call, (ringing(),))
        assert len(await RedisCallLog(client).history(call)) == 1
    broker = sending_broker(url)
    before = rings("rung")
    await DramatiqDoorbell(broker).ring(call)
    assert rings("rung") == before + 1  # C2: also of a gateway and a worker
    broker.close()


def rings(result: str) -> float:
    return metrics.REGISTRY.get_sample_value("voicecall_doorbell_total", {"result": result}) or 0.0


async def examined(url: str, tmp_path: Path, **environ: str) -> dict[str, Finding]:
    """What `voicecall doctor` finds about Redis on a machine where nothing else runs."""
    path = tmp_path / "config.json"
    path.write_text('{"provider": "mock"}')
    nowhere = {"VOICECALL_GATEWAY_URL": "http://127.0.0.1:1", "VOICECALL_INGRESS_HEALTH": "127.0.0.1:1"}
    environment = {"VOICECALL_CONFIG": str(path), "REDIS_URL": url, **nowhere, **environ}
    return {finding.check: finding async for finding in findings(environment)}


async def test_c14_doctor_says_what_the_server_says(locked: RedisServer, cluster: RedisServer, tmp_path: Path) -> None:
    """Not "start Redis": it runs."""
    refused = await examined(url_of(locked, "wrong"), tmp_path)
    assert refused["redis.reach"].level is Level.FAIL
    assert "WRONGPASS" in refused["redis.reach"].seen
    assert "password" in refused["redis.reach"].remedy
    crowded = await examined(cluster.url, tmp_path)
    assert (crowded["redis.reach"].level, "a cluster" in crowded["redis.reach"].remedy) == (Level.FAIL, True)


async def test_c14_doctor_judges_what_it_may_when_info_is_not_permitted(
    server: RedisServer, limited: Redis, tmp_path: Path
) -> None:
    await limited.execute_command("ACL", "SETUSER", "user", "on", ">pw", "~*", "&*", "+@all", "-info")
    found = await examined(url_of(server, "pw", user="user"), tmp_path)
    assert (found["redis.info"].level, "NOPERM" in found["redis.info"].seen) == (Level.WARN, True)
    assert {"redis.clock", "redis.latency", "redis.namespace", "workers", "dead-letters"} <= set(found)
    assert "redis.reach" not in found


async def test_c14_doctor_reaches_a_unix_socket_and_other_queues(
    server: RedisServer, locked: RedisServer, tmp_path: Path
) -> None:
    url = f"unix://{server.directory}/redis.sock?db=2"
    found = await examined(url, tmp_path, VOICECALL_JOBS_REDIS_URL=url_of(locked, "wrong"))
    assert found["redis.version"].level is Level.OK
    assert found["redis.namespace"].seen.startswith("vc2")
    assert (found["redis.jobs"].level, "WRONGPASS" in found["redis.jobs"].seen) == (Level.FAIL, True)
    found = await examined(url, tmp_path, VOICECALL_JOBS_REDIS_URL=url_of(locked, PASSWORD))
    assert found["redis.jobs"].level is Level.OK
    found = await examined(url, tmp_path, VOICECALL_JOBS_REDIS_URL="redis://127.0.0.1:1/0")
    assert "VOICECALL_JOBS_REDIS_URL" in found["redis.jobs"].remedy


async def test_c14_doctor_finds_keys_that_are_not_voicecalls(server: RedisServer, tmp_path: Path) -> None:
    """A wrong type is no outage, and no traceback either."""
    async with Redis.from_url(f"redis://127.0.0.1:{server.port}/5") as redis:
        await redis.set("vc5:dead", "not a stream")
        found = await examined(f"redis://127.0.0.1:{server.port}/5", tmp_path)
        await redis.flushdb()
    assert (found["redis.reach"].level, "WRONGTYPE" in found["redis.reach"].seen) == (Level.FAIL, True)
