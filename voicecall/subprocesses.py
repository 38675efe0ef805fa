"""Child processes: started in a session of their own, read while they run, ended within a time limit.

`Children` keeps the programs of `voicecall dev` side by side; `run` and `spawn` start the tunnels' programs, which get
the environment they need and none of the secrets in it. Nothing goes through a shell. Knows no program's output.
"""

import asyncio
import os
import re
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

from voicecall.aio import end as end_task
from voicecall.errors import ExposureError, ToolMissing

__all__ = [
    "OUTPUT_LIMIT",
    "Child",
    "ChildEnded",
    "Children",
    "Outcome",
    "Ready",
    "end",
    "environment_of",
    "lines_of",
    "run",
    "spawn",
]

OUTPUT_LIMIT: Final = 262_144
"""Bytes kept of each stream by `run`; the rest is read and dropped, so that the program never blocks on a full pipe."""

_LINE_LIMIT: Final = 65_536
_LINES_KEPT: Final = 100
_POLL_S: Final = 0.05
_STOP_S: Final = 10.0
_FLUSH_S: Final = 0.2
_LAST_LINES_S: Final = 1.0
_INSTALL: Final = {
    "ngrok": "install it from https://ngrok.com/download",
    "tailscale": "install it from https://tailscale.com/download",
}
_NEEDED: Final = frozenset(
    {"APPDATA", "HOME", "LANG", "LOCALAPPDATA", "LOGNAME", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "USER"}
    | {"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE"}
)
_FAMILIES: Final = ("LC_", "NGROK_", "TAILSCALE_", "TS_", "XDG_")

Say = Callable[[str, str], None]
"""Takes the name of a child and a line of its output."""

Ready = Callable[["Child"], Awaitable[bool]]
"""Whether a child has started."""


class ChildEnded(Exception):
    """A child ended by itself, or was not ready in time (`status` None). `lines`: the first of what it printed."""

    def __init__(self, name: str, status: int | None, lines: list[str]) -> None:
        self.name = name
        self.status = status
        self.lines = lines
        why = "took too long to start" if status is None else f"ended with status {status}"
        super().__init__(f"{name} {why}")


@dataclass(kw_only=True)
class Child:
    """A running program. `lines`: the first of what it printed. `needed`: by other children, so it is ended last."""

    name: str
    command: list[str]
    environ: Mapping[str, str] = field(repr=False)
    ready: Ready
    process: Process
    output: asyncio.Task[None]
    needed: bool
    lines: list[str] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        return self.process.returncode


class Children:
    """Programs side by side. `say` takes every line. `async with`: all that were started inside have ended after it."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._all: list[Child] = []
        self._changed = asyncio.Event()

    async def start(
        self,
        name: str,
        command: list[str],
        environ: Mapping[str, str],
        ready: Ready,
        *,
        needed: bool = False,
        within_s: float = 30.0,
    ) -> Child:
        """Start a program and return when `ready` says so. Raises ChildEnded."""
        # In a session of its own: Ctrl-C reaches only this process, which ends the children in order.
        process = await asyncio.create_subprocess_exec(
            *command, env=dict(environ), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )
        lines: list[str] = []
        output = asyncio.create_task(self._read(name, process, lines))
        child = Child(
            name=name,
            command=command,
            environ=environ,
            ready=ready,
            process=process,
            output=output,
            needed=needed,
            lines=lines,
        )
        self._all.append(child)
        self._changed.set()
        deadline = time.monotonic() + within_s
        while not await ready(child):
            if child.status is not None or time.monotonic() > deadline:
                await _last_lines(child)
                raise ChildEnded(name, child.status, lines)
            await asyncio.sleep(_POLL_S)
        return child

    def named(self, name: str) -> list[Child]:
        """The running children of this name, the oldest first."""
        return [child for child in self._all if child.name == name]

    async def kill(self, child: Child) -> None:
        """End a child by SIGKILL; `first_ended` does not report it."""
        if child in self._all:
            self._all.remove(child)
            self._changed.set()
        await end(child.process, grace_s=0.0)
        await _last_lines(child)
        await end_task(child.output)

    async def start_again(self, child: Child) -> Child:
        """Start the program of a killed child again. Raises ChildEnded."""
        return await self.start(child.name, child.command, child.environ, child.ready, needed=child.needed)

    async def first_ended(self) -> ChildEnded:
        """Wait until one of them ends by itself, and return which."""
        while True:
            self._changed.clear()
            waits = {asyncio.create_task(child.process.wait()): child for child in self._all}
            changed = asyncio.create_task(self._changed.wait())
            try:
                done, _ = await asyncio.wait({*waits, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in (*waits, changed):
                    wait.cancel()
            ended = [waits[wait] for wait in done if wait is not changed and waits[wait] in self._all]
            if ended:
                await _last_lines(ended[0])
                return ChildEnded(ended[0].name, ended[0].status, ended[0].lines)

    async def close(self) -> None:
        """End all children, those that others need after these: SIGTERM, ten seconds, SIGKILL."""
        for needed in (False, True):
            await asyncio.gather(*(_end_child(child) for child in self._all if child.needed is needed))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self, name: str, process: Process, lines: list[str]) -> None:
        async for line in lines_of(process.stdout):
            if len(lines) < _LINES_KEPT:
                lines.append(line)
            self._say(name, line)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended, and what it printed. `status` None: it did not end in time and was killed."""

    status: int | None
    out: str
    err: str


def environment_of(environ: Mapping[str, str], **more: str) -> dict[str, str]:
    """What a third party's program gets of `environ`: paths, proxies, its own settings; never a carrier's key."""
    known = {
        name: value for name, value in environ.items() if name.upper() in _NEEDED or name.upper().startswith(_FAMILIES)
    }
    return {**known, **more}


async def spawn(name: str, *arguments: str, environ: Mapping[str, str]) -> Process:
    """Start a program of the PATH in `environ`, its output in pipes. Raises ToolMissing, ExposureError."""
    path = await asyncio.to_thread(shutil.which, name, path=environ.get("PATH", os.defpath))
    if path is None:
        raise ToolMissing(name, f"no such program on the PATH; {_INSTALL.get(name, 'install it')}")
    try:
        return await asyncio.create_subprocess_exec(
            path, *arguments, env=dict(environ), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    except OSError as error:
        raise ExposureError(name, f"cannot be started ({error.strerror or error}); see whether {path} runs") from error


async def run(
    name: str, *arguments: str, within_s: float, environ: Mapping[str, str], until: re.Pattern[bytes] | None = None
) -> Outcome:
    """Run a program to its end, or kill it: after `within_s`, or once it prints what `until` finds.

    Raises ToolMissing, ExposureError.
    """
    process = await spawn(name, *arguments, environ=environ)
    out, err, enough = bytearray(), bytearray(), asyncio.Event()
    readers = [asyncio.create_task(_collect(pipe, into, until, enough)) for pipe, into in _pipes(process, out, err)]
    # The end of the program counts, not that of its pipes: a child it left behind may hold those for ever.
    ends = [asyncio.create_task(process.wait()), asyncio.create_task(enough.wait())]
    try:
        await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        status = process.returncode
        if status is not None:
            await asyncio.wait(readers, timeout=_FLUSH_S)
    finally:
        await end(process, grace_s=0.0)
        for task in (*readers, *ends):
            task.cancel()
        await asyncio.gather(*readers, *ends, return_exceptions=True)
    return Outcome(status, out.decode(errors="replace"), err.decode(errors="replace"))


async def end(process: Process, *, grace_s: float) -> None:
    """SIGTERM, `grace_s` to end, then SIGKILL to its whole session. Does nothing when it has ended.

    A cancellation kills at once.
    """
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if grace_s:
            process.terminate()
            try:
                async with asyncio.timeout(grace_s):
                    await process.wait()
            except TimeoutError:
                _kill(process)
            except asyncio.CancelledError:
                _kill(process)
                raise
        else:
            _kill(process)
    await process.wait()


async def lines_of(pipe: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """Each line a program prints, without its end, until the pipe is closed.

    A line over 64 KiB is cut: what came last of it is given.
    """
    if pipe is None:
        return
    rest = b""
    while piece := await pipe.read(_LINE_LIMIT):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
        rest = rest[-_LINE_LIMIT:]
    if rest:
        yield rest.decode(errors="replace")


def _kill(process: Process) -> None:
    os.killpg(process.pid, signal.SIGKILL)


async def _end_child(child: Child) -> None:
    await end(child.process, grace_s=_STOP_S)
    await _last_lines(child)
    await end_task(child.output)


async def _last_lines(child: Child) -> None:
    """Wait a second for what it printed last; a process it left behind may hold the pipe open for longer."""
    await asyncio.wait((child.output,), timeout=_LAST_LINES_S)


def _pipes(process: Process, out: bytearray, err: bytearray) -> list[tuple[asyncio.StreamReader, bytearray]]:
    return [(pipe, into) for pipe, into in ((process.stdout, out), (process.stderr, err)) if pipe is not None]


async def _collect(
    pipe: asyncio.StreamReader, into: bytearray, until: re.Pattern[bytes] | None, enough: asyncio.Event
) -> None:
    while piece := await pipe.read(65_536):
        into += piece[: OUTPUT_LIMIT - len(into)]
        if until is not None and until.search(into):
            enough.set()
