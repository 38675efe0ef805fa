"""dramatiq's queues: where they are, what they cost Redis, and which permissions the whole system needs."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from dramatiq import Message
from redis.asyncio import Redis

from ingress.app import _probe
from tests.bus.calls import new_call
from tests.bus.test_namespace import Deployment as Bus
from tests.fakes.keys import keys
from tests.fakes.plant import CALL, PLACED, Plant, kill_group, open_plant
from tests.fakes.redis_server import RedisServer, start_redis
from voicecall.bus.connection import BusClient, connect, require_accepted
from voicecall.bus.doorbell import QUEUE, DramatiqDoorbell, sending_broker
from voicecall.call.ids import NodeId
from voicecall.settings import Deployment
from workers.archive_sweeper import AFTER_CALL, AFTER_QUEUE
from workers.broker import make_broker, without_keys_command
from workers.lifecycle import Lifecycle

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
async def plant(server: RedisServer, tmp_path: Path) -> AsyncIterator[Plant]:
    async with open_plant(server.url, tmp_path) as plant:
        yield plant


@pytest.fixture
def jobs_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = start_redis(tmp_path / "jobs")
    yield server
    server.stop()


async def names_in(url: str) -> set[str]:
    async with Redis.from_url(url, decode_responses=True) as redis:
        return {key async for key in redis.scan_iter()}


async def queue_names(url: str) -> set[str]:
    return {name for name in await names_in(url) if name.startswith(f"{keys.jobs}:")}


async def test_c12_the_queues_are_where_the_variable_says(plant: Plant, jobs_server: RedisServer) -> None:
    """A call is rung, placed and archived through another server; the first one holds no queue."""
    doorbell = DramatiqDoorbell(sending_broker(jobs_server.url))
    plant.spawn(VOICECALL_JOBS_REDIS_URL=jobs_server.url)
    await plant.ready(1)
    await plant.log.post(CALL, (PLACED,))
    await doorbell.ring(CALL)
    await plant.until(plant._dialled)
    await plant.hang_up()

    async def archived() -> bool:
        return await plant.redis.zscore(keys.calls_kept, CALL) is not None

    await plant.until(archived)
    assert await queue_names(plant.url) == set()
    assert await queue_names(jobs_server.url) != set()
    assert all(name.startswith(f"{keys.jobs}:") for name in await names_in(jobs_server.url))


async def test_c12_the_queues_may_be_in_another_database(plant: Plant) -> None:
    """Their names keep the namespace of the calls' database."""
    other = plant.url.removesuffix("/0") + "/9"
    doorbell = DramatiqDoorbell(sending_broker(other, keys))
    plant.spawn(VOICECALL_JOBS_REDIS_URL=other)
    await plant.ready(1)
    await plant.log.post(CALL, (PLACED,))
    await doorbell.ring(CALL)
    await plant.until(plant._dialled)
    assert await queue_names(plant.url) == set()
    assert {name for name in await names_in(other) if not name.startswith("vc0:jobs:")} == set()


async def test_c12_no_keys_command_runs_when_a_worker_dies(plant: Plant) -> None:
    """It stops Redis for as long as it takes to read every key; what the dead worker had fetched is queued again."""
    await plant.redis.config_resetstat()
    plant.spawn()
    await plant.ready(1)
    await plant.place()
    kill_group(plant.processes[0])
    plant.spawn()

    async def heartbeats_of_the_dead_are_gone() -> bool:
        return await plant.redis.zcard(f"{keys.jobs}:__heartbeats__") == 1

    await plant.until(heartbeats_of_the_dead_are_gone)
    assert "cmdstat_keys" not in await plant.redis.info("commandstats")


async def test_c12_messages_of_a_dead_worker_are_queued_again(server: RedisServer) -> None:
    """In both queues, though the script no longer lists the keys."""
    deployment = Deployment(redis_url=server.url)
    dead, alive = (make_broker(deployment, Lifecycle({})) for _ in range(2))
    dead.client.flushall()
    alive.heartbeat_timeout = 1
    for queue, job in ((QUEUE, "ring"), (AFTER_QUEUE, AFTER_CALL)):
        for broker in (dead, alive):
            broker.declare_queue(queue)
        dead.enqueue(Message(queue_name=queue, actor_name=job, args=(CALL,), kwargs={}, options={}))
        assert next(iter(dead.consume(queue, timeout=1_000))) is not None
    await asyncio.sleep(0.01)
    for queue in (QUEUE, AFTER_QUEUE):
        again = next(iter(alive.consume(queue, timeout=1_000)))
        assert again is not None
        assert again.args == (CALL,)
    heartbeats = alive.client.zrange(f"{keys.jobs}:__heartbeats__", 0, -1)
    assert heartbeats == [alive.broker_id.encode()]
    for broker in (dead, alive):
        broker.client.close()


def test_c12_the_script_of_the_installed_dramatiq_is_known() -> None:
    """Another version's script is left as it is."""
    broker = make_broker(Deployment(), Lifecycle({}))
    assert '"keys"' not in str(broker.scripts["dispatch"].script)
    assert without_keys_command("return 1") == "return 1"


async def _gateway_and_ingress(client: BusClient) -> None:
    """What those processes do and the workers do not."""
    call = new_call()
    deployment = Bus(client)
    async with deployment.running():
        await deployment.ready()
        await deployment.everything(call)
        await deployment.live.forget(call)
        await deployment.ended.forget(call)
        await _probe(client, NodeId("ingress-1"), deployment.media)


async def test_c12_the_documented_permissions_suffice(plant: Plant) -> None:
    """A call is placed, taken over after a crash and archived; Redis logs no refused command."""
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"^user voicecall (.*)$", page, re.MULTILINE)
    await plant.redis.execute_command("ACL", "SETUSER", "voicecall", *rules.replace("PASSWORD", "s3cret").split())
    await plant.redis.execute_command("ACL", "LOG", "RESET")
    url = plant.url.replace("redis://", "redis://voicecall:s3cret@")
    plant.spawn(REDIS_URL=url)
    plant.spawn(REDIS_URL=url)
    await plant.ready(2)
    await plant.place()
    kill_group(await plant.owning())

    async def reactivated() -> bool:
        return (await plant.call()).reactivations == 1

    await plant.until(reactivated)
    async with connect(url) as client:
        await DramatiqDoorbell(sending_broker(url)).ring(CALL)
        assert await client.zscore(keys.calls_live, CALL)
        await require_accepted(client)
        await _gateway_and_ingress(client)
    await plant.hang_up()

    async def archived() -> bool:
        return await plant.redis.zscore(keys.calls_kept, CALL) is not None

    try:
        await plant.until(archived)
        refused = await plant.redis.acl_log()
        # Redis 6.2 counts CLIENT as dangerous. The client library only sends its name with it, and ignores the refusal.
        assert {(line["reason"], line["object"]) for line in refused} <= {("command", "client")}
    finally:
        await plant.redis.execute_command("ACL", "DELUSER", "voicecall")
