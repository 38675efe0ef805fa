"""Background probes of services whose breaker is open, so that no caller is the one who finds out that they are back.

Used by fail-over. Knows breakers and tasks; what a probe does is the adapter's: open a session, speak a word.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from voicecall.aio import end
from voicecall.breaker import Breaker, BreakerState

__all__ = ["Prober"]

_log = logging.getLogger(__name__)


class Prober:
    """Of one service. `probe` ends within a limit of its own and raises when the service is not usable."""

    def __init__(self, name: str, breaker: Breaker, probe: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._breaker = breaker
        self._probe = probe
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def wake(self) -> None:
        """Begin to probe if the breaker is open and no probing runs. Call it after each failed attempt."""
        is_idle = self._task is None or self._task.done()
        if is_idle and not self._closed and self._breaker.state(time.monotonic()) is not BreakerState.CLOSED:
            self._task = asyncio.create_task(self._until_closed(), name=f"probe {self._name}")

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            await end(self._task)

    async def _until_closed(self) -> None:
        while self._breaker.state(time.monotonic()) is not BreakerState.CLOSED:
            await asyncio.sleep(self._breaker.opens_in(time.monotonic()))
            attempt = self._breaker.attempt(time.monotonic())
            if attempt is None:  # another trial is running
                await asyncio.sleep(1.0)
                continue
            try:
                await self._probe()
            except Exception as error:  # noqa: BLE001  any failure means the same: not yet
                attempt.failed(time.monotonic())
                _log.info("service still fails", extra={"service": self._name, "error": type(error).__name__})
            except BaseException:
                attempt.abandoned(time.monotonic())
                raise
            else:
                attempt.succeeded(time.monotonic())
                _log.info("service answers again", extra={"service": self._name})
