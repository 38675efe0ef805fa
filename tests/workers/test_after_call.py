"""Real workers archive ended calls once, whatever is down or dies meanwhile; or forget them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message

from tests.archive.records import record
from tests.fakes.keys import keys
from tests.fakes.plant import CALL, PLACED, Plant, kill_group, open_plant
from tests.fakes.postgres import Postgres
from tests.fakes.redis_server import RedisServer
from voicecall.api.results import CallRecord
from voicecall.archive import CallArchive
from voicecall.bus.doorbell import sending_broker
from voicecall.bus.ended import EndedCalls, ForgetResult
from voicecall.call.ids import CallId
from workers.archive_sweeper import AFTER_CALL, AFTER_QUEUE, TIDY

OTHER = CallId("99999999-2222-4333-8444-555555555555")


@pytest.fixture
async def plant(server: RedisServer, tmp_path: Path) -> AsyncIterator[Plant]:
    async with open_plant(server.url, tmp_path) as plant:
        yield plant


def archive_of(plant: Plant) -> CallArchive:
    return CallArchive(f"sqlite:///{plant.store / 'calls.db'}")


def exported(plant: Plant) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (plant.store / "calls.jsonl").read_text().splitlines()]


def send(plant: Plant, job: str, *args: str) -> None:
    message: Message[None] = Message(queue_name=AFTER_QUEUE, actor_name=job, args=args, kwargs={}, options={})
    sending_broker(plant.url).enqueue(message)


async def settled(plant: Plant) -> None:
    """Return when no call is due and no job waits."""

    async def nothing_left() -> bool:
        waiting = await plant.redis.hlen(f"{keys.jobs}:{AFTER_QUEUE}.msgs") + await plant.redis.hlen(
            f"{keys.jobs}:{AFTER_QUEUE}.DQ.msgs"
        )
        return not waiting and not await plant.redis.zcard(keys.calls_ended)

    await plant.until(nothing_left)


async def over(plant: Plant) -> None:
    await plant.place()
    await plant.hang_up()

    async def is_over() -> bool:
        return (await plant.call()).is_over

    await plant.until(is_over)


async def test_a_call_with_many_jobs_on_two_workers_is_archived_once(plant: Plant) -> None:
    """As it was in Redis, in the archive and as one line of the file; then it stays in Redis for a day."""
    plant.configure(archive={"jsonl": True})
    plant.spawn()
    plant.spawn()
    await plant.ready(2)
    await over(plant)
    for _ in range(6):
        send(plant, AFTER_CALL, CALL)
    await settled(plant)

    kept = CallRecord.of(await plant.call()).payload()
    archive = archive_of(plant)
    assert archive.get(CALL) == kept
    assert exported(plant) == [kept]
    archive.close()
    assert sum(line.count("call summary") for line in (plant.log_of(0), plant.log_of(1))) == 1
    assert await plant.redis.zscore(keys.calls_kept, CALL) is not None


async def test_a_call_whose_worker_died_at_its_end_is_archived_by_another(plant: Plant) -> None:
    """The job was not sent or was lost: the call is still due, and the sweeper sends another."""
    first = plant.spawn()
    await plant.ready(1)
    plant.store.write_text("a file where the directory should be")  # nothing can be archived yet
    await over(plant)

    async def has_failed() -> bool:
        return "call not archived" in plant.log_of()

    await plant.until(has_failed)
    kill_group(first)
    for queue in (AFTER_QUEUE, f"{AFTER_QUEUE}.DQ"):
        await plant.redis.delete(f"{keys.jobs}:{queue}", f"{keys.jobs}:{queue}.msgs")
    plant.store.unlink()
    await plant.redis.zadd(keys.calls_ended, {CALL: 0})  # two minutes later
    plant.spawn()
    await settled(plant)

    archive = archive_of(plant)
    assert archive.get(CALL) is not None
    archive.close()


async def test_while_the_database_is_down_calls_go_on_and_stay_due(plant: Plant, postgres: Postgres) -> None:
    """The log names the database without its password; when it is back, the calls are archived."""
    plant.configure(archive={"url": postgres.url.replace("postgres@", "postgres:sesame@")})
    plant.spawn()
    await plant.ready(1)
    postgres.stop()
    await over(plant)

    async def has_failed() -> bool:
        return "call not archived" in plant.log_of()

    await plant.until(has_failed)
    assert "postgres:***@" in plant.log_of()
    assert "check that the server runs" in plant.log_of()
    assert "sesame" not in plant.log_of()
    assert "Traceback" not in plant.log_of()
    assert await plant.redis.zscore(keys.calls_ended, CALL) is not None

    await plant.log.post(OTHER, (PLACED,))
    await plant.doorbell.ring(OTHER)

    async def active() -> bool:
        return await plant.log.read(OTHER) is not None

    await plant.until(active)

    await asyncio.to_thread(postgres.start)
    await settled(plant)
    archive = CallArchive(postgres.url)
    assert archive.get(CALL) == CallRecord.of(await plant.call()).payload()
    archive.close()


async def test_a_call_to_be_forgotten_leaves_nothing(plant: Plant) -> None:
    """It was marked while it was live; after its end neither archive nor file nor Redis hold anything of it."""
    plant.configure(archive={"jsonl": True})
    plant.spawn()
    await plant.ready(1)
    await plant.place()
    assert await EndedCalls(plant.redis).forget(CALL) == {CALL: ForgetResult.LIVE}
    await plant.hang_up()

    async def forgotten() -> bool:
        return "call forgotten" in plant.log_of()

    await plant.until(forgotten)
    await settled(plant)
    archive = archive_of(plant)
    assert archive.get(CALL) is None
    archive.close()
    assert (await plant.log.read(CALL), await plant.log.history(CALL)) == (None, ())
    assert not (plant.store / "calls.jsonl").exists()
    assert PLACED.to not in plant.log_of()


async def test_a_snapshot_no_build_can_read_is_set_aside_after_a_day(plant: Plant) -> None:
    """Until then it waits for a worker that can read it; then the call is archived as folded from its log."""
    plant.spawn()
    await plant.ready(1)
    await over(plant)
    await settled(plant)
    archive = archive_of(plant)
    kept = archive.get(CALL)
    archive.delete(CALL)
    await plant.redis.hset(keys.state(CALL), "snapshot", b"another build's")
    await plant.redis.zadd(keys.calls_ended, {CALL: 0})

    async def noticed() -> bool:
        return bool(await plant.redis.hexists(keys.state(CALL), "unread"))

    await plant.until(noticed)
    assert archive.get(CALL) is None
    await plant.redis.hset(keys.state(CALL), "unread", 1)
    await settled(plant)
    assert archive.get(CALL) == kept
    archive.close()
    ((_, letter),) = await plant.redis.xrange(keys.dead)
    assert letter[b"bytes"] == b"another build's"


async def test_what_was_kept_long_enough_is_removed(plant: Plant) -> None:
    """Once an hour, by one node, from archive and file; younger calls stay."""
    plant.configure(archive={"jsonl": True, "retentionDays": 30})
    seconds, _ = await plant.redis.time()
    archive = archive_of(plant)
    old, young = record(1, endedAt=(seconds - 31 * 86_400) * 1000), record(2, endedAt=(seconds - 29 * 86_400) * 1000)
    archive.put(old)
    archive.put(young)
    (plant.store / "calls.jsonl").write_text(json.dumps(old) + "\n" + json.dumps(young) + "\n")
    plant.spawn()
    await plant.ready(1)

    async def tidied() -> bool:
        return "archive tidied" in plant.log_of()

    await plant.until(tidied)
    assert [call["callId"] for call in archive.find().calls] == [young["callId"]]
    assert exported(plant) == [young]
    archive.close()
    assert not await EndedCalls(plant.redis).elected(TIDY, 60.0)


async def test_without_an_archive_calls_stay_in_redis_alone(plant: Plant) -> None:
    """With the archive disabled no file is written; the summary is still logged."""
    plant.configure(archive={"enabled": False})
    plant.spawn()
    await plant.ready(1)
    await over(plant)
    await settled(plant)

    assert "call summary" in plant.log_of()
    assert not plant.store.exists()
    assert await plant.log.read(CALL) is not None
    assert await plant.redis.zscore(keys.calls_kept, CALL) is not None
