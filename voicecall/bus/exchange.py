"""One round trip to Redis: commands in one write, their replies in order.

Used where round trips are many: scripts and media. redis-py's own pipeline and `publish` do the same on the same
connection; what they do around it is a seventh of the CPU of a webhook (bench/RESULTS.md).
"""

from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import ResponseError

__all__ = ["Command", "exchange"]

Command = tuple[str | bytes | int | float, ...]


async def exchange(redis: Redis, commands: Sequence[Command]) -> list[Any]:
    """The replies as Redis gives them; one that is an error is a ResponseError in its place.

    Raises redis-py's errors of connections. Cancelled, it gives up its connection: replies never get mixed up.
    """
    pool: Any = redis.connection_pool
    connection = await pool.get_connection()
    try:
        await connection.send_packed_command(b"".join([pack_command(command) for command in commands]))  # type: ignore[arg-type]  # it takes tuples of any length
        return [await _reply(connection) for _ in commands]
    finally:
        await pool.release(connection)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
