"""The worker as it is started in production: `dramatiq workers`, under signals and kills."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.fakes.keys import keys
from tests.fakes.plant import CALL, PLACED, Plant, kill_group, open_plant
from tests.fakes.redis_server import RedisServer
from voicecall.call.events import Reactivated, Ringing
from voicecall.call.ids import CallId, LegId


@pytest.fixture
async def plant(server: RedisServer, tmp_path: Path) -> AsyncIterator[Plant]:
    async with open_plant(server.url, tmp_path) as plant:
        yield plant


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 25)


async def test_a_killed_worker_is_noticed_and_replaced(plant: Plant) -> None:
    """After `kill -9` of the owner the other node activates the call under the next epoch, and does not dial."""
    plant.spawn()
    plant.spawn()
    await plant.ready(2)
    first = await plant.place()

    kill_group(await plant.owning())

    async def reactivated() -> bool:
        return (await plant.call()).reactivations == 1

    await plant.until(reactivated)

    assert await plant.owner() not in {"", first}
    events = [record.event for record in await plant.log.history(CALL)]
    assert [event.epoch for event in events if isinstance(event, Reactivated)] == [2]
    assert sum(event.name == "Dialled" for event in events) == 1

    async def noticed() -> bool:
        return "node is dead" in plant.log_of(0) + plant.log_of(1)

    await plant.until(noticed)


async def test_sigterm_hands_a_live_call_over_and_exits_cleanly(plant: Plant) -> None:
    """A deployment drops no call: the other node activates it at once, and the exit status is 0. Signals may repeat."""
    plant.spawn()
    plant.spawn()
    await plant.ready(2)
    first = await plant.place()
    leaving = await plant.owning()

    for process in (leaving, *psutil.Process(leaving.pid).children()):
        process.send_signal(signal.SIGTERM)
    os.killpg(leaving.pid, signal.SIGTERM)

    assert await ended(leaving) == 0
    assert "handed-over" in plant.log_of(plant.processes.index(leaving))  # it has ended: its log is complete

    async def reactivated() -> bool:
        return (await plant.call()).reactivations == 1

    await plant.until(reactivated)
    assert await plant.owner() not in {"", first}
    await plant.log.post(CALL, (Ringing(leg=(await plant.call()).leg or LegId("")),))

    async def rings() -> bool:
        return (await plant.call()).phase == "ringing"

    await plant.until(rings)


async def test_sigterm_without_another_worker_exits_cleanly(plant: Plant) -> None:
    """Live calls do not delay the exit; the next worker that starts activates them."""
    alone = plant.spawn()
    await plant.ready(1)
    await plant.place()

    alone.send_signal(signal.SIGTERM)

    assert await ended(alone) == 0
    assert await plant.owner() == ""
    plant.spawn()

    async def reactivated() -> bool:
        return (await plant.call()).reactivations == 1

    await plant.until(reactivated)


async def test_a_full_worker_passes_a_ring_on(plant: Plant) -> None:
    """With one slot each, two calls are active on two workers, whichever gets the ring first."""
    plant.spawn(VOICECALL_WORKER_SLOTS="1")
    plant.spawn(VOICECALL_WORKER_SLOTS="1")
    await plant.ready(2)
    other = CallId("99999999-2222-4333-8444-555555555555")

    first = await plant.place()
    await plant.log.post(other, (PLACED,))
    await plant.doorbell.ring(other)

    async def active() -> bool:
        return await plant.log.read(other) is not None

    await plant.until(active)
    assert (await plant.redis.get(keys.lease(other))).decode() != f"1 {first}"


async def test_probes_report_whether_a_worker_can_activate_a_call(plant: Plant) -> None:
    """A full worker is alive but not ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    plant.spawn(VOICECALL_WORKER_HEALTH=address, VOICECALL_WORKER_SLOTS="1")
    await plant.ready(1)

    async with aiohttp.ClientSession(f"http://{address}") as http:

        async def answers(path: str, status: int) -> bool:
            try:
                async with http.get(path) as answer:
                    return answer.status == status
            except aiohttp.ClientConnectionError:
                return False

        await plant.until(lambda: answers("/readyz", 200))
        await plant.place()
        assert await answers("/readyz", 503)
        async with http.get("/readyz") as answer:
            assert await answer.text() == "full"
        assert await answers("/livez", 200)
        async with http.get("/metrics") as page:
            assert 'voicecall_activations_total{cause="first"} 1.0' in await page.text()


async def test_a_call_that_is_over_is_summarised_in_one_line(plant: Plant) -> None:
    """The job runs on any worker, and logs no number in full."""
    plant.spawn()
    await plant.ready(1)
    await plant.place()

    await plant.hang_up()

    async def summarised() -> bool:
        return "call summary" in plant.log_of()

    await plant.until(summarised)
    line = next(json.loads(line) for line in plant.log_of().splitlines() if "call summary" in line)
    assert (line["call_id"], line["outcome"], line["failovers"]) == (CALL, "no-answer", 0)
    assert PLACED.to not in plant.log_of()


async def test_the_health_command_sees_the_heartbeat_of_a_worker(plant: Plant) -> None:
    """`python -m workers.health` exits 0 with a live worker on this host, 1 without."""
    environ = {**os.environ, "REDIS_URL": plant.url}

    def health() -> int:
        return subprocess.run([sys.executable, "-m", "workers.health"], env=environ, check=False).returncode

    assert await asyncio.to_thread(health) == 1
    plant.spawn()

    async def beats() -> object:
        return await plant.redis.exists(keys.heartbeat(socket.gethostname()))

    await plant.until(beats)
    assert await asyncio.to_thread(health) == 0


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"VOICECALL_CONFIG": "/nowhere/config.json5"}, "VOICECALL_CONFIG"),
        ({"REDIS_URL": "http://not-redis"}, "REDIS_URL"),
        ({"VOICECALL_WORKER_SLOTS": "many"}, "VOICECALL_WORKER_SLOTS"),
    ],
)
async def test_a_worker_that_cannot_be_configured_says_why_and_exits_with_78(
    plant: Plant, environ: dict[str, str], reason: str
) -> None:
    """The parent process of dramatiq exits too: a process supervisor must see a failed start."""
    process = plant.spawn(**environ)

    assert await ended(process) == 78
    assert "cannot start" in plant.log_of()
    assert reason in plant.log_of()


async def test_a_worker_without_redis_exits_after_its_boot_patience(plant: Plant) -> None:
    """Processes may start in any order, so it waits that long; then it reports the reason."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{unused.getsockname()[1]}/0"
        process = plant.spawn(REDIS_URL=url, VOICECALL_BOOT_PATIENCE_S="1")

        assert await ended(process) == 1
    assert "Redis does not answer" in plant.log_of()


async def test_a_failed_background_task_stops_the_worker_with_exit_status_1(plant: Plant) -> None:
    """The sweeper of ended calls fails when its key holds another type. The process stops in order, to be restarted."""
    process = plant.spawn()
    await plant.ready(1)
    await plant.redis.set(keys.calls_ended, "no sorted set")
    async with asyncio.timeout(30):
        assert await asyncio.to_thread(process.wait) == 1
    assert "background task failed" in plant.log_of()
    assert "node stopped" in plant.log_of()
