"""Whether this ingress should get work: Redis takes a write and gives it back, clocks agree, carriers can reach it.

`app` runs the probe and gives `ready` and `live` to the health server. Knows no HTTP.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["Probe", "Readiness"]

_log = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[float]]
"""Writes to Redis and reads it back; gives Redis's time in epoch seconds. Raises when it cannot."""

_EVERY_S: Final = 1.0
_PROBE_S: Final = 0.2
_FRESH_S: Final = 5.0
_STUCK_S: Final = 3.0
_SKEW_S: Final = 60.0


class Readiness:
    """`run` probes every second until cancelled. `start_draining` makes this process unready for good.

    `reachable`: False while carriers have no way to this ingress, because its tunnel is not up.
    """

    def __init__(self, probe: Probe, *, reachable: Callable[[], bool] = lambda: True) -> None:
        self._probe = probe
        self._reachable = reachable
        self._good_at: float | None = None
        self._turned_at = time.monotonic()
        self._skewed = False
        self._draining = False
        self._probed = asyncio.Event()

    def start_draining(self) -> None:
        self._draining = True

    def ready(self) -> str:
        """Why this process should get no work; empty when it should."""
        if self._draining:
            return "closing"
        if not self._reachable():
            return "exposure"
        if self._good_at is None or time.monotonic() - self._good_at > _FRESH_S:
            return "redis"
        return "clock" if self._skewed else ""

    def live(self) -> str:
        """`stuck` when the probe's task has not run for three seconds: the event loop is blocked for too long."""
        return "" if time.monotonic() - self._turned_at < _STUCK_S else "stuck"

    async def run(self) -> None:
        while True:
            self._turned_at = time.monotonic()
            await self._probe_once()
            self._probed.set()
            await asyncio.sleep(_EVERY_S)

    async def probed(self) -> None:
        """Return when the first probe is over, whatever its result."""
        await self._probed.wait()

    async def _probe_once(self) -> None:
        before = self.ready()
        try:
            async with asyncio.timeout(_PROBE_S):
                redis_time = await self._probe()
        except Exception as error:  # noqa: BLE001  whatever is wrong with Redis, this process is not ready
            _log.debug("probe failed", extra={"error": type(error).__name__})
        else:
            self._good_at = time.monotonic()
            self._skewed = abs(time.time() - redis_time) > _SKEW_S
        after = self.ready()
        if after != before:
            level = logging.INFO if after in {"", "closing"} else logging.WARNING
            _log.log(level, "readiness changed", extra={"unready": after or "no"})
