"""An asyncio event loop on a thread of its own, for a process whose main thread belongs to somebody else.

uvloop where there is one. Knows nothing of what runs on it.
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
    """Runs coroutines given by other threads. The thread is a daemon: it never keeps a process from ending."""

    def __init__(self, name: str) -> None:
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._turn, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], *, timeout_s: float) -> T:
        """Run it on the loop and give its result. Raises what it raises, or TimeoutError; then it is cancelled."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    def stop(self, *, timeout_s: float) -> None:
        """Cancel what still runs, give it a moment, and end the thread."""
        if not self._thread.is_alive():
            return
        self.call(_cancel_all(), timeout_s=timeout_s)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout_s)

    def _turn(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


async def _cancel_all() -> None:
    await asyncio.gather(*(end(task) for task in asyncio.all_tasks() - {asyncio.current_task()}))
