"""One way to connect to Redis, and one name for "it does not answer".

Retries are off everywhere: redis-py repeats a command whose reply was lost, and one XADD became two (architecture 7).
Whoever can repeat safely decides so itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from voicecall.errors import BusUnavailable

__all__ = ["as_bus_error", "connect", "reaching_redis"]

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
        protocol=2,  # fakeredis, 6.2 and 7 answer alike in it
    )
    return Redis.from_pool(pool)


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
