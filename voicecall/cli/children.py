"""Programs beside each other in one terminal: each line of theirs with its name before it, and none left at the end.

Used by `voicecall dev`. Knows processes, not what they are for.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

__all__ = ["Child", "Children", "Gone"]

_POLL_S: Final = 0.05
_STOP_S: Final = 10.0
_LINES_KEPT: Final = 100

Say = Callable[[str, str], None]
"""Is given the name of a child, and a line of its output."""


class Gone(Exception):
    """A child ended by itself, or was not ready in time. `lines`: some of what it printed."""

    def __init__(self, name: str, status: int | None, lines: list[str]) -> None:
        self.name = name
        self.status = status
        self.lines = lines
        why = "took too long to start" if status is None else f"ended with status {status}"
        super().__init__(f"{name} {why}")


@dataclass(kw_only=True)
class Child:
    """A running program. `lines`: the first of what it printed. `needed`: by others, so that it ends after them."""

    name: str
    process: asyncio.subprocess.Process
    output: asyncio.Task[None]
    needed: bool
    lines: list[str] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        return self.process.returncode


class Children:
    """`say` is given every line. `async with`: whatever was started inside has ended after."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._all: list[Child] = []

    async def start(
        self,
        name: str,
        command: list[str],
        environ: Mapping[str, str],
        ready: Callable[[Child], Awaitable[bool]],
        *,
        needed: bool = False,
        within_s: float = 30.0,
    ) -> Child:
        """Start it, and return when `ready` says so. Raises Gone."""
        # In a session of its own, so that Ctrl-C reaches us only, and we stop everybody in order.
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        lines: list[str] = []
        output = asyncio.create_task(self._read(name, process, lines))
        child = Child(name=name, process=process, output=output, needed=needed, lines=lines)
        self._all.append(child)
        deadline = time.monotonic() + within_s
        while not await ready(child):
            if child.status is not None or time.monotonic() > deadline:
                await _settled(output)
                raise Gone(name, child.status, lines)
            await asyncio.sleep(_POLL_S)
        return child

    async def any_gone(self) -> Gone:
        """Return, when one of them ends, which."""
        waits = {asyncio.create_task(child.process.wait()): child for child in self._all}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            first = waits[done.pop()]
            await _settled(first.output)
            return Gone(first.name, first.status, first.lines)
        finally:
            for wait in waits:
                wait.cancel()

    async def close(self) -> None:
        """Ask each to end, those that others need after these; whoever does not within ten seconds is killed."""
        for needed in (False, True):
            await asyncio.gather(*(_end(child) for child in self._all if child.needed is needed))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self, name: str, process: asyncio.subprocess.Process, lines: list[str]) -> None:
        if process.stdout is None:
            return
        while raw := await _line(process.stdout):
            text = raw.decode("utf-8", "replace").rstrip()
            if len(lines) < _LINES_KEPT:
                lines.append(text)
            self._say(name, text)


async def _end(child: Child) -> None:
    if child.status is None:
        with contextlib.suppress(ProcessLookupError):
            child.process.terminate()
        try:
            await asyncio.wait_for(child.process.wait(), _STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            await child.process.wait()
    await _settled(child.output)
    child.output.cancel()


async def _settled(output: asyncio.Task[None]) -> None:
    """Its last words, if nobody else holds the pipe open."""
    await asyncio.wait((output,), timeout=1.0)


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # longer than the buffer: what is left of it is read as the next line
        return b"(a very long line)\n"
