"""The life of a process: configuration, logs, signals, orderly stop, exit status.

`python -m ingress` and `python -m gateway` are `run`; the worker, which dramatiq runs, reports a failed start by
`start_failed`, so that every role says the same and leaves with the same status. Knows no role.

Exit status: 0 after SIGTERM, SIGINT or SIGHUP; 78 (EX_CONFIG of sysexits.h) for a configuration or environment that
cannot be used; 1 for what the machine refuses (a port in use, no Redis within the boot patience) or a failed background
task.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final, Protocol

import uvloop

from voicecall import logs
from voicecall.aio import Background, BackgroundFailed, end
from voicecall.errors import BusUnavailable, ConfigError
from voicecall.settings import Deployment, Settings, load_deployment, load_settings
from voicecall.signals import ignore_signals, on_signals

__all__ = ["Opened", "Process", "configuration", "keep_loaded", "run", "serve", "start_failed"]

_EX_CONFIG: Final = 78


class Process(Protocol):
    """What a role gives to `run` while it is open."""

    @property
    def background(self) -> Background: ...

    async def drain(self) -> None:
        """Called once, before everything is closed: become unready and let go of what can go elsewhere."""
        ...


Opened = Callable[[Settings, Deployment, Mapping[str, str]], AbstractAsyncContextManager[Process]]
"""Opens a role and closes it again. Raises ConfigError, OSError, BusUnavailable when it cannot be opened."""


def configuration(environ: Mapping[str, str]) -> tuple[Settings, Deployment]:
    """What this process is to do, and where it stands. Raises ConfigError with every problem of both."""
    problems: list[str] = []
    settings: Settings | None = None
    deployment: Deployment | None = None
    try:
        deployment = load_deployment(environ)
    except ConfigError as error:
        problems += error.problems
    try:
        settings = load_settings(environ)
    except ConfigError as error:
        problems += error.problems
    if settings is None or deployment is None:
        raise ConfigError(problems)
    return settings, deployment


def start_failed(role: str, error: Exception) -> int:
    """Write why the process cannot start to standard error, one line per problem. Returns the exit status."""
    for problem in _problems(error):
        sys.stderr.write(f"voicecall {role} cannot start: {problem}\n")
    return _EX_CONFIG if isinstance(error, ConfigError) else 1


def keep_loaded() -> None:
    """A process has started, and what is loaded stays: the garbage collector is not to look at it again.

    125,000 objects, for which each full collection stopped every call of a worker for 70 ms; without them, for 1 ms.
    """
    gc.collect()
    gc.freeze()


def run(role: str, opened: Opened, environ: Mapping[str, str]) -> int:
    """As `serve`, for a role that needs the configuration."""
    return serve(role, lambda: opened(*configuration(environ), environ))


def serve(role: str, opened: Callable[[], AbstractAsyncContextManager[Process]]) -> int:
    """Open the role, serve until a signal arrives or a background task fails, drain, close. Returns the exit status."""
    logs.configure(role)
    try:
        uvloop.run(_serve(opened(), at_end=ignore_signals))
    except BackgroundFailed:  # logged where it happened
        return 1
    except (ConfigError, BusUnavailable, OSError) as error:
        return start_failed(role, error)
    return 0


async def _serve(opened: AbstractAsyncContextManager[Process], at_end: Callable[[], None] | None = None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    with on_signals(lambda: loop.call_soon_threadsafe(stop.set)):  # only a flag: a second signal changes nothing
        try:
            await _until_stopped(opened, stop)
        finally:
            if at_end is not None:
                at_end()


async def _until_stopped(opened: AbstractAsyncContextManager[Process], stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    async with AsyncExitStack() as stack:
        # Opening a tunnel can take half a minute: a signal must not wait for it.
        opening = asyncio.create_task(stack.enter_async_context(opened), name="opening")
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            await end(opening)
            return
        process = opening.result()
        keep_loaded()
        failing = asyncio.create_task(process.background.failed(), name="background failure")
        await asyncio.wait({failing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await process.drain()
    if failing.done():
        await failing
    await end(failing)


def _problems(error: Exception) -> list[str]:
    match error:
        case ConfigError():
            return error.problems
        case BusUnavailable():
            return [f"{error}; {error.remedy}"]
        case TimeoutError():
            return ["the start took too long; check that Redis answers at REDIS_URL"]
        case OSError():
            return [error.strerror or str(error)]
        case _:
            return [f"{type(error).__name__}: {error}"]
