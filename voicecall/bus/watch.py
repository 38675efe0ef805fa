"""Whether Redis answers this process, and how fast, for the metrics; an ingress also counts the workers.

Each role runs it beside its readiness, which judges more than that and says it in words. Decides nothing.
"""

import asyncio
import time
from typing import Final

from redis.asyncio import Redis

from voicecall.bus.connection import reaching_redis
from voicecall.bus.membership import Membership
from voicecall.errors import BusError
from voicecall.metrics import REDIS_SECONDS, REDIS_UP, WORKERS

__all__ = ["watch_redis"]

_EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 1.0
_WORKERS_EVERY: Final = 5  # of these turns


async def watch_redis(redis: Redis, membership: Membership | None = None) -> None:
    """Once a second until cancelled; logs nothing, for what needs Redis says so itself."""
    turn = 0
    while True:
        await _ask(redis)
        if membership is not None and turn % _WORKERS_EVERY == 0:
            await _count_workers(membership)
        turn += 1
        await asyncio.sleep(_EVERY_S)


async def _ask(redis: Redis) -> None:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            with reaching_redis():
                await redis.ping()
    except (BusError, TimeoutError):
        REDIS_UP.set(0)
    else:
        REDIS_UP.set(1)
        REDIS_SECONDS.observe(time.perf_counter() - started)


async def _count_workers(membership: Membership) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            WORKERS.set(len(await membership.present()))
    except (BusError, TimeoutError):
        WORKERS.set(0)
