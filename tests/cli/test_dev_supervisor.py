"""The supervisor of `voicecall dev`: kills by SIGKILL, starts again, and obeys only those who have its token."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from voicecall.cli.dev_supervisor import SUPERVISOR_TOKEN, SUPERVISOR_URL, supervising
from voicecall.subprocesses import Child, Children

_PROGRAM = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


@dataclass
class Supervised:
    children: Children
    url: str
    token: str
    printed: asyncio.Queue[str]

    async def next_pid(self) -> int:
        """The process of the worker that has just said that it is up."""
        await self.printed.get()
        return self.children.named("worker")[0].process.pid

    async def kill(self, body: object, token: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.url}/kill", json=body, headers=headers) as answer,
        ):
            return answer.status


@asynccontextmanager
async def supervised(*names: str) -> AsyncIterator[Supervised]:
    printed: asyncio.Queue[str] = asyncio.Queue()
    async with Children(lambda name, _line: printed.put_nowait(name)) as children:
        for name in names:
            await children.start(name, _PROGRAM, {}, _is_up)
            await printed.get()
        async with supervising(children, {}) as variables:
            yield Supervised(children, variables[SUPERVISOR_URL], variables[SUPERVISOR_TOKEN], printed)


async def _is_up(child: Child) -> bool:
    return bool(child.lines)


async def test_a_killed_process_is_started_again_and_nothing_else_ends() -> None:
    """`voicecall dev` ends when a process ends by itself; one that was killed on request does not count."""
    async with supervised("worker", "gateway") as running:
        watching = asyncio.create_task(running.children.first_ended())
        (before,) = running.children.named("worker")
        assert await running.kill({"role": "worker"}) == 200
        assert before.status == -9
        async with asyncio.timeout(20):
            pid = await running.next_pid()
        assert pid != before.process.pid
        assert not watching.done()
        running.children.named("gateway")[0].process.kill()
        async with asyncio.timeout(20):
            assert (await watching).name == "gateway"


@pytest.mark.parametrize("body", [{"role": "redis"}, {"role": "gateway"}, {"role": "ingress"}, {"role": ["worker"]}])
async def test_only_running_workers_and_ingresses_are_killed(body: dict[str, object]) -> None:
    """The ingress does not run here, and the others are not offered."""
    async with supervised("worker", "gateway") as running:
        assert await running.kill(body) in {400, 404}
        assert all(child.status is None for name in ("worker", "gateway") for child in running.children.named(name))


async def test_a_stranger_is_refused() -> None:
    """The token is of this run; ten wrong ones, and guessing stops."""
    async with supervised("worker") as running:
        assert await running.kill({"role": "worker"}, token="") == 401
        statuses = [await running.kill({"role": "worker"}, token=f"guess-{number}") for number in range(12)]
        assert (statuses[0], statuses[-1]) == (401, 429)
        assert running.children.named("worker")[0].status is None


@pytest.mark.parametrize("body", [[], "x", {}, None, {"role": None}])
async def test_a_request_that_is_none_is_refused(body: object) -> None:
    async with supervised("worker") as running:
        assert await running.kill(body) in {400, 404}
