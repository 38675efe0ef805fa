"""A child process in its own process group, with its output kept in a log file and a guaranteed end."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson

__all__ = ["NotReadyError", "Process", "answers", "prints_ready"]

Ready = Callable[["Process"], Awaitable[bool]]
_POLL_S = 0.02


class NotReadyError(Exception):
    """The program exited, or took too long, before it was ready. The message holds the end of its output."""


class Process:
    """One program. `log` receives stdout and stderr; `url` and `ready` come from a simulator's ready line."""

    def __init__(self, name: str, command: list[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.url = ""
        self.ready: dict[str, Any] = {}
        self._env = dict(env)
        self._cwd = cwd
        self._log_begins = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, ready: Ready, *, within_s: float = 60.0) -> None:
        """Start and wait until `ready` returns True. Raises NotReadyError."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self._log_begins = self.log.stat().st_size
            self._process = await asyncio.create_subprocess_exec(
                *self.command, env=self._env, cwd=self._cwd, stdout=out, stderr=out, start_new_session=True
            )
        deadline = time.monotonic() + within_s
        while not await ready(self):
            if not self.is_running or time.monotonic() > deadline:
                why = "took too long to start" if self.is_running else f"ended with {self._process.returncode}"
                await self.kill()
                raise NotReadyError(f"{self.name} {why}:\n{self.tail()}")
            await asyncio.sleep(_POLL_S)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, because a dramatiq master forks."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def stop(self, *, within_s: float = 25.0) -> int:
        """Send SIGTERM to the program itself, and SIGKILL to the group after `within_s`. Returns the exit code."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), within_s)
            except TimeoutError:
                await self.kill()
        return self._process.returncode or 0

    async def kill(self) -> None:
        """Send SIGKILL to the whole group."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    @property
    def output(self) -> bytes:
        """What it has written since its start; the log file keeps what a process of the same name wrote before."""
        with self.log.open("rb") as file:
            file.seek(self._log_begins)
            return file.read()

    def tail(self, lines: int = 25) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


async def prints_ready(process: Process) -> bool:
    """Whether a simulator has printed its line of JSON; sets `process.ready` and `process.url` from it."""
    for line in process.output.splitlines():
        if line.startswith(b'{"ready"'):
            process.ready = orjson.loads(line)
            process.url = process.ready["url"]
            return True
    return False


def answers(url: str) -> Ready:
    """A readiness check that is True when `url` answers 200."""

    async def ready(_: Process) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    return ready
