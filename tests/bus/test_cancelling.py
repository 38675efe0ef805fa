"""A cancelled task ends, wherever in a Redis command the cancellation arrives."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis

from tests.fakes.redis_server import start_redis
from voicecall.bus.connection import connect


async def test_a_cancelled_command_is_a_cancelled_task(tmp_path: Path) -> None:
    """Python 3.11 loses a cancellation that arrives as the sending ends; the connection raises it again."""
    server = start_redis(tmp_path)
    try:
        for turns in range(12):
            redis = connect(server.url)
            await redis.echo("connected")  # asyncio itself leaks a socket whose opening is cancelled
            task = asyncio.ensure_future(_live_on(redis))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled(), f"cancelled after {turns} turns of the loop"
            assert await redis.echo("answers do not cross") == b"answers do not cross"
            await redis.aclose()
    finally:
        server.stop()


async def _live_on(redis: Redis) -> None:
    await redis.publish("channel", b"word")
    await asyncio.Event().wait()
