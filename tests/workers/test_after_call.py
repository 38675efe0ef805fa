"""Ended calls reach the archive through real workers: once, whatever is away or dies meanwhile; or are forgotten."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message

from tests.archive.records import record
from tests.fakes.plant import CALL, PLACED, Plant, kill_group, open_plant
from tests.fakes.postgres import Postgres
from tests.fakes.redis_server import RedisServer
from voicecall.api.results import CallRecord
from voicecall.archive import Archive
from voicecall.bus import keys
from voicecall.bus.doorbell import sending_broker
from voicecall.bus.ended import EndedCalls, ForgetResult
from voicecall.call.ids import CallId
from workers.ends import AFTER_CALL, AFTER_QUEUE, TIDY

OTHER = CallId("99999999-2222-4333-8444-555555555555")


@pytest.fixture
async def plant(server: RedisServer, tmp_path: Path) -> AsyncIterator[Plant]:
    async with open_plant(server.url, tmp_path) as plant:
        yield plant


def archive_of(plant: Plant) -> Archive:
    return Archive(f"sqlite:///{plant.store / 'calls.db'}")


def exported(plant: Plant) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (plant.store / "calls.jsonl").read_text().splitlines()]


def send(plant: Plant, job: str, *args: str) -> None:
    message: Message[None] = Message(queue_name=AFTER_QUEUE, actor_name=job, args=args, kwargs={}, options={})
    sending_broker(plant.url).enqueue(message)


async def settled(plant: Plant) -> None:
    """Nothing is due, and no job waits."""

    async def nothing_left() -> bool:
        waiting = await plant.redis.hlen(f"jobs:{AFTER_QUEUE}.msgs") + await plant.redis.hlen(
            f"jobs:{AFTER_QUEUE}.DQ.msgs"
        )
        return not waiting and not await plant.redis.zcard(keys.CALLS_ENDED)

    await plant.until(nothing_left)


async def over(plant: Plant) -> None:
    await plant.place()
    await plant.hang_up()

    async def is_over() -> bool:
        return (await plant.call()).is_over

    await plant.until(is_over)


async def test_a_call_that_two_workers_are_rung_for_is_kept_once(plant: Plant) -> None:
    """As Redis knew it, in the archive and as one line of the file, however many jobs come; then a day in Redis."""
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
    assert sum(line.count("call summary") for line in (plant.said(0), plant.said(1))) == 1
    assert await plant.redis.zscore(keys.CALLS_KEPT, CALL) is not None


async def test_a_call_whose_worker_died_at_its_end_is_archived_by_the_next(plant: Plant) -> None:
    """No job was sent, or it was lost: the call is due all the same, and somebody rings."""
    first = plant.spawn()
    await plant.ready(1)
    plant.store.write_text("in the way")  # nothing can be archived yet
    await over(plant)

    async def tried() -> bool:
        return "call not archived" in plant.said()

    await plant.until(tried)
    kill_group(first)
    for queue in (AFTER_QUEUE, f"{AFTER_QUEUE}.DQ"):
        await plant.redis.delete(f"jobs:{queue}", f"jobs:{queue}.msgs")
    plant.store.unlink()
    await plant.redis.zadd(keys.CALLS_ENDED, {CALL: 0})  # two minutes later
    plant.spawn()
    await settled(plant)

    archive = archive_of(plant)
    assert archive.get(CALL) is not None
    archive.close()


async def test_a_database_that_is_away_costs_no_call_and_no_time(plant: Plant, postgres: Postgres) -> None:
    """The log names it without its password; calls go on meanwhile; back again, it gets what it missed."""
    plant.configure(archive={"url": postgres.url.replace("postgres@", "postgres:sesame@")})
    plant.spawn()
    await plant.ready(1)
    postgres.stop()
    await over(plant)

    async def tried() -> bool:
        return "call not archived" in plant.said()

    await plant.until(tried)
    assert "postgres:***@" in plant.said()
    assert "see that the server runs" in plant.said()
    assert "sesame" not in plant.said()
    assert "Traceback" not in plant.said()
    assert await plant.redis.zscore(keys.CALLS_ENDED, CALL) is not None

    await plant.log.post(OTHER, (PLACED,))
    await plant.doorbell.ring(OTHER)

    async def taken() -> bool:
        return await plant.log.read(OTHER) is not None

    await plant.until(taken)

    await asyncio.to_thread(postgres.start)
    await settled(plant)
    archive = Archive(postgres.url)
    assert archive.get(CALL) == CallRecord.of(await plant.call()).payload()
    archive.close()


async def test_a_call_to_be_forgotten_leaves_nothing(plant: Plant) -> None:
    """It was marked while it lived; at its end neither archive nor file nor Redis keep a word of it."""
    plant.configure(archive={"jsonl": True})
    plant.spawn()
    await plant.ready(1)
    await plant.place()
    assert await EndedCalls(plant.redis).forget(CALL) == {CALL: ForgetResult.LIVE}
    await plant.hang_up()

    async def forgotten() -> bool:
        return "call forgotten" in plant.said()

    await plant.until(forgotten)
    await settled(plant)
    archive = archive_of(plant)
    assert archive.get(CALL) is None
    archive.close()
    assert (await plant.log.read(CALL), await plant.log.history(CALL)) == (None, ())
    assert not (plant.store / "calls.jsonl").exists()
    assert PLACED.to not in plant.said()


async def test_a_snapshot_no_build_can_read_is_set_aside_after_a_day(plant: Plant) -> None:
    """Until then it waits for a worker that can; then the call is kept as its log tells it, and it is due no more."""
    plant.spawn()
    await plant.ready(1)
    await over(plant)
    await settled(plant)
    archive = archive_of(plant)
    kept = archive.get(CALL)
    archive.delete(CALL)
    await plant.redis.hset(keys.state(CALL), "snapshot", b"another build's")
    await plant.redis.zadd(keys.CALLS_ENDED, {CALL: 0})

    async def met() -> bool:
        return bool(await plant.redis.hexists(keys.state(CALL), "unread"))

    await plant.until(met)
    assert archive.get(CALL) is None
    await plant.redis.hset(keys.state(CALL), "unread", 1)
    await settled(plant)
    assert archive.get(CALL) == kept
    archive.close()
    ((_, letter),) = await plant.redis.xrange(keys.DEAD)
    assert letter[b"bytes"] == b"another build's"


async def test_what_was_kept_long_enough_is_removed(plant: Plant) -> None:
    """By the hour, on one node; archive and file alike. What is younger stays."""
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
        return "archive tidied" in plant.said()

    await plant.until(tidied)
    assert [call["callId"] for call in archive.find().calls] == [young["callId"]]
    assert exported(plant) == [young]
    archive.close()
    assert not await EndedCalls(plant.redis).elected(TIDY, 60.0)


async def test_without_an_archive_calls_stay_in_redis_alone(plant: Plant) -> None:
    """Switched off means that nothing is written; the summary is."""
    plant.configure(archive={"enabled": False})
    plant.spawn()
    await plant.ready(1)
    await over(plant)
    await settled(plant)

    assert "call summary" in plant.said()
    assert not plant.store.exists()
    assert await plant.log.read(CALL) is not None
    assert await plant.redis.zscore(keys.CALLS_KEPT, CALL) is not None
