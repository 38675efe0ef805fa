"""What every process needs of asyncio: ending a task, waiting between attempts, closing a stream, background tasks.

Used by the actors, the worker, the ingress, the gateway and the client. Knows no Redis and no call.
"""

import asyncio
import logging
import os
import random
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

__all__ = ["Background", "BackgroundFailed", "backoff", "begin_now", "closing", "end", "stop_process"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_CANCEL_AGAIN_S: Final = 0.2


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel the task and return when it is done; its result or exception is dropped.

    Cancels again every 0.2 s: redis-py, while it connects, turns a cancellation into an error of its own.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)
    if not task.cancelled():
        task.exception()  # marks it as retrieved


def backoff(*, first_s: float = 0.1, most_s: float = 2.0, jitter: tuple[float, float] = (0.5, 1.0)) -> Iterator[float]:
    """Seconds to wait after each failed attempt, without end: `first_s`, doubled each time up to `most_s`.

    Each is multiplied by a random factor from `jitter`, so that processes that failed together do not retry together.
    """
    delay_s = first_s
    while True:
        yield delay_s * random.uniform(*jitter)
        delay_s = min(2 * delay_s, most_s)


def begin_now(work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run `work` here up to its first wait. Returns None when it is done, else the task that runs the rest.

    For what hardly ever waits, as sending on a socket: a task costs 10 us. Raises what `work` raises in its first part,
    in which it has no task of its own: no `asyncio.timeout` there. (From Python 3.12 on tasks have `eager_start`.)
    """
    try:
        waited_for = work.send(None)
    except StopIteration:
        return None
    return asyncio.ensure_future(_Rest(work, waited_for))


class _Rest(Coroutine[Any, Any, None]):
    """A coroutine that has begun, as a new one: its first step passes on what it waits for."""

    def __init__(self, work: Coroutine[Any, Any, None], waited_for: Any) -> None:
        self._work = work
        self._waited_for = waited_for
        self._has_begun = False

    def send(self, value: None) -> Any:
        if self._has_begun:
            return self._work.send(value)
        self._has_begun = True
        return self._waited_for

    def throw(self, *error: Any) -> Any:
        self._has_begun = True
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, None, None]:
        raise NotImplementedError("it is run as a task")


@asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """The stream; a generator is closed when the block is left, so that its source stops producing (and charging)."""
    try:
        yield stream
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


def stop_process() -> None:
    """Send SIGTERM to this process: every role stops in order on it."""
    os.kill(os.getpid(), signal.SIGTERM)


class BackgroundFailed(Exception):
    """A background task ended although its process was not stopping. `name` is the task's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"background task {name!r} ended")
        self.name = name


class Background:
    """The tasks that run as long as their process.

    A task that raises or returns before its block is left is a defect: it is logged as critical with its name,
    `on_failure` is called, and `failed()` raises. The process is then to stop in order and to be restarted.
    A task that something else cancels is no defect: event loops do so when they close.
    """

    def __init__(self, on_failure: Callable[[], None] | None = None) -> None:
        self._on_failure = on_failure
        self._failure: BackgroundFailed | None = None
        self._has_failed = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run `work` until the block is left, then cancel it."""
        leaving = False

        def on_done(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            if not leaving and not task.cancelled():
                self._fail(task)

        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(on_done)
        try:
            yield
        finally:
            leaving = True
            await end(task)

    @property
    def has_failed(self) -> bool:
        return self._failure is not None

    async def failed(self) -> None:
        """Wait for the first failure and raise it. Raises BackgroundFailed."""
        await self._has_failed.wait()
        if self._failure is not None:
            raise self._failure

    def _fail(self, task: asyncio.Task[None]) -> None:
        error = task.exception()
        _log.critical("background task failed", exc_info=error, extra={"part": task.get_name()})
        if self._failure is None:
            self._failure = BackgroundFailed(task.get_name())
            self._failure.__cause__ = error
        self._has_failed.set()
        if self._on_failure is not None:
            self._on_failure()
