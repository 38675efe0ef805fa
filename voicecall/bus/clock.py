"""The Redis server's time, extrapolated with this process's monotonic clock.

Everything that compares times of different machines (leases, events, timers) uses this instead of the wall clock, so a
wrong or jumping wall clock has no effect (guarantee P11).
"""

import time

from redis.asyncio import Redis

from voicecall.bus.connection import reaching_redis
from voicecall.ports import Clock

__all__ = ["RedisClock"]

_SAMPLES = 5


class RedisClock(Clock):
    """Call `calibrate()` before use and again about every minute: clocks drift, and servers are replaced."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ahead: float | None = None  # server time minus this process's monotonic time, seconds
        self._latest = 0.0

    async def calibrate(self) -> float:
        """Read the server's clock. Returns the uncertainty in seconds (half of the shortest round trip).

        Raises BusUnavailable.
        """
        best_s = float("inf")
        for _ in range(_SAMPLES):
            sent = time.monotonic()
            with reaching_redis():
                seconds, micros = await self._redis.time()
            trip_s = time.monotonic() - sent
            if trip_s < best_s:
                best_s = trip_s
                self._ahead = seconds + micros / 1e6 - (sent + trip_s / 2)
        return best_s / 2

    def now(self) -> float:
        """Epoch seconds; never decreasing, even if the server's clock is set back. Raises RuntimeError uncalibrated."""
        if self._ahead is None:
            raise RuntimeError("the clock was not calibrated")
        self._latest = max(self._latest, time.monotonic() + self._ahead)
        return self._latest
