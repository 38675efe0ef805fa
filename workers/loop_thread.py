"""An asyncio event loop on a thread of its own, for a process whose main thread runs dramatiq.

The loop is uvloop's. Knows nothing of what runs on it.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from voicecall.aio import end

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads. The thread is a daemon: it never keeps a process from ending."""

    def __init__(self, name: str) -> None:
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], *, timeout_s: float) -> T:
        """Run it on the loop and return its result. Raises what it raises, or TimeoutError after cancelling it."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    def stop(self, *, timeout_s: float) -> None:
        """Cancel the remaining tasks, wait for them, and end the thread."""
        if not self._thread.is_alive():
            return
        self.call(_cancel_all(), timeout_s=timeout_s)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout_s)

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


async def _cancel_all() -> None:
    await asyncio.gather(*(end(task) for task in asyncio.all_tasks() - {asyncio.current_task()}))
