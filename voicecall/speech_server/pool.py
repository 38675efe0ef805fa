"""Inference in threads: as many at a time as the machine has cores, and a bounded number that wait.

An inference that has begun cannot be interrupted; it lasts a second at most, because what is synthesised or transcribed
at once is short. One that still waits is dropped when its request is gone.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["Busy", "InferencePool"]

T = TypeVar("T")

_WAITING_PER_THREAD: Final = 16


class Busy(Exception):
    """So much waits already that another request would wait too long."""


class InferencePool:
    """`threads`: inferences at a time."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self._most = threads * (1 + _WAITING_PER_THREAD)
        self._count = 0
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Inferences that run or wait."""
        return self._count

    async def run(self, work: Callable[[], T], *, goes_on: bool = False) -> T:
        """The result of `work`, called in a thread. Raises Busy, unless a request `goes_on`; and what `work` raises."""
        with self._lock:
            if self._count >= self._most and not goes_on:
                raise Busy
            self._count += 1
        future = self._executor.submit(work)
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: "Future[T]") -> None:
        with self._lock:
            self._count -= 1
