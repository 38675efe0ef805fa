"""One way to connect to Redis, and one name for "it does not answer".

Retries are off everywhere: redis-py repeats a command whose reply was lost, and one XADD became two (architecture 7).
Whoever can repeat safely decides so itself.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from voicecall.errors import BusUnavailable

__all__ = ["as_bus_error", "connect", "reaching_redis"]

# Without this, newer versions of redis-py read their own metadata from disk for every connection, on the event loop.
_DRIVER: dict[str, Any] = {}
with suppress(ImportError):
    from redis.driver_info import DriverInfo

    _DRIVER["driver_info"] = DriverInfo()

# Answers of a server that is there but cannot serve: starting, out of memory, disk full, demoted, held by a script.
_NOT_NOW: Final = (
    "LOADING",
    "OOM",
    "MISCONF",
    "READONLY",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "BUSY",
    "TRYAGAIN",
)


def connect(url: str, *, timeout_s: float = 5.0, connections: int = 32) -> Redis:
    """A client of the server at `url`. Bytes in, bytes out; nothing is repeated; every command ends in `timeout_s`.

    Connects with the first command. At most `connections` sockets, subscriptions included; one more waits its turn.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(2.0, timeout_s),
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        retry_on_error=[],
        health_check_interval=0,  # a closed socket is seen when it is taken from the pool; PING would cost a trip
        decode_responses=False,
        **_DRIVER,
        protocol=2,  # fakeredis, 6.2 and 7 answer alike in it
    )
    pool.connection_class = type("Cancellable", (_Cancellable, pool.connection_class), {})
    return Redis.from_pool(pool)


class _Cancellable:
    """A connection on which a cancelled command is always a cancelled task.

    redis-py sends inside `asyncio.wait_for`, and Python 3.11's swallows a cancellation that arrives in the same turn
    of the loop in which the sending ends (measured: one in five); the task then lives on, and whoever cancelled it
    waits for ever. Gone in Python 3.12.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: Any = True) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        await super().send_packed_command(command, check_health)  # type: ignore[misc]  # the other base has it
        if task is not None and task.cancelling() > before:
            # The reply will come and nobody reads it: on this socket the next answers would cross.
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # as above
            raise asyncio.CancelledError


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Anything that means "Redis does not serve us now" leaves this block as BusUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise as_bus_error(error) from error


def as_bus_error(error: Exception) -> Exception:
    """BusUnavailable for what time may heal; the error itself when it is a bug of ours (a bad script, a wrong type)."""
    if isinstance(error, OutOfMemoryError | ReadOnlyError):
        return BusUnavailable(f"Redis refuses: {type(error).__name__}")
    if isinstance(error, ResponseError):
        # Raised within a script, 6.2 puts the server's word in the middle of its own sentence.
        text = str(error)
        word = next((word for word in _NOT_NOW if text.startswith(f"{word} ") or f"-{word} " in text), None)
        return error if word is None else BusUnavailable(f"Redis refuses: {word}")
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        return BusUnavailable(f"Redis does not answer: {type(error).__name__}")
    return error
