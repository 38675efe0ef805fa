"""At the start of a process: whether the server lets it do all that it will do, before it takes a call.

A permission that is missing was noticed only when its command was first sent, minutes later, by a background task that
failed with the process. So each command is sent once, on keys of its own that expire. Knows the commands that the
modules here, their scripts and dramatiq use; a test compares.
"""

import uuid
from collections.abc import Iterable
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

__all__ = ["COMMANDS", "QUEUE_COMMANDS", "try_commands", "try_subscribing"]

_MS: Final = 1_000

COMMANDS: Final[tuple[tuple[str, ...], ...]] = (
    ("PING",),
    ("TIME",),
    ("INFO", "server"),
    ("EXISTS", "{s}"),
    ("SET", "{s}", "1", "PX", str(_MS)),
    ("GET", "{s}"),
    ("MGET", "{s}"),
    ("PTTL", "{s}"),
    ("HSET", "{h}", "f", "1"),
    ("HSETNX", "{h}", "f", "1"),
    ("HGET", "{h}", "f"),
    ("HMGET", "{h}", "f"),
    ("HKEYS", "{h}"),
    ("HEXISTS", "{h}", "f"),
    ("HINCRBY", "{h}", "f", "1"),
    ("HDEL", "{h}", "g"),
    ("ZADD", "{z}", "1", "m"),
    ("ZSCORE", "{z}", "m"),
    ("ZCARD", "{z}"),
    ("ZRANGE", "{z}", "0", "-1"),
    ("ZRANGEBYSCORE", "{z}", "0", "0"),
    ("ZREM", "{z}", "n"),
    ("ZREMRANGEBYSCORE", "{z}", "0", "0"),
    ("XADD", "{x}", "*", "f", "1"),
    ("XLEN", "{x}"),
    ("XRANGE", "{x}", "-", "+"),
    ("XREVRANGE", "{x}", "+", "-"),
    ("XTRIM", "{x}", "MAXLEN", "1"),
    ("XDEL", "{x}", "0-1"),
    *(("PEXPIRE", key, str(_MS)) for key in ("{h}", "{z}", "{x}")),
    ("DEL", "{s}", "{h}", "{z}", "{x}"),
)
"""Of calls, `{…}` being keys."""

QUEUE_COMMANDS: Final[tuple[tuple[str, ...], ...]] = (
    ("SCRIPT", "LOAD", "return 1"),
    ("TIME",),
    ("EXISTS", "{h}"),
    ("HSET", "{h}", "f", "1"),
    ("HGET", "{h}", "f"),
    ("HMGET", "{h}", "f"),
    ("HLEN", "{h}"),
    ("HEXISTS", "{h}", "f"),
    ("HDEL", "{h}", "g"),
    ("RPUSH", "{l}", "m"),
    ("LPOP", "{l}"),
    ("SADD", "{s}", "m"),
    ("SCARD", "{s}"),
    ("SMEMBERS", "{s}"),
    ("SREM", "{s}", "n"),
    ("ZADD", "{z}", "1", "m"),
    ("ZRANGEBYSCORE", "{z}", "0", "0"),
    ("ZREM", "{z}", "n"),
    *(("PEXPIRE", key, str(_MS)) for key in ("{h}", "{l}", "{s}", "{z}")),
    ("DEL", "{h}", "{l}", "{s}", "{z}"),
)
"""Of dramatiq's queues."""


async def try_commands(redis: Redis, prefix: str, commands: Iterable[tuple[str, ...]]) -> None:
    """Send each command, and a script. `prefix`: of the keys. Raises the error of the first that is refused."""
    own = f"{prefix}start:{uuid.uuid4().hex}:"
    keys = {kind: own + kind for kind in "shzxl"}
    pipeline = redis.pipeline(transaction=False)
    pipeline.execute_command("EVAL", "return 1", 0)
    pipeline.execute_command("EVALSHA", "0" * 40, 0)
    for command in commands:
        pipeline.execute_command(*(part.format_map(keys) for part in command))
    for reply in await pipeline.execute(raise_on_error=False):
        if isinstance(reply, Exception) and not isinstance(reply, NoScriptError):
            raise reply


async def try_subscribing(redis: Redis, channel: str) -> None:
    """Subscribe to the channel, send it a message, and count who listens. Raises the error of what is refused."""
    await redis.publish(channel, b"")
    await redis.pubsub_numsub(channel)
    async with redis.pubsub() as listening:
        await listening.subscribe(channel)
        await listening.get_message(timeout=None)
