"""The Redis server's time, kept by this process's own steady clock between looks.

Everything that compares times of different machines (leases, events, timers) uses this and never the wall clock, so a
wrong or jumping clock of a worker changes nothing (reliability P11).
"""

import time

from redis.asyncio import Redis

from voicecall.bus.connection import reaching_redis
from voicecall.ports import Clock

__all__ = ["RedisClock"]

_LOOKS = 5


class RedisClock(Clock):
    """`calibrate()` once before use, and again every minute or so: quartz drifts, servers are replaced."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ahead: float | None = None  # server time minus our monotonic time, seconds
        self._latest = 0.0

    async def calibrate(self) -> float:
        """Look at the server's clock; gives back the uncertainty in seconds (half the best round trip).

        Raises BusUnavailable.
        """
        best_s = float("inf")
        for _ in range(_LOOKS):
            sent = time.monotonic()
            with reaching_redis():
                seconds, micros = await self._redis.time()
            trip_s = time.monotonic() - sent
            if trip_s < best_s:
                best_s = trip_s
                self._ahead = seconds + micros / 1e6 - (sent + trip_s / 2)
        return best_s / 2

    def now(self) -> float:
        """Epoch seconds. Never earlier than what it said before, even if the server's clock was set back."""
        if self._ahead is None:
            raise RuntimeError("the clock was not calibrated")
        self._latest = max(self._latest, time.monotonic() + self._ahead)
        return self._latest
