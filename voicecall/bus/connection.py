"""How every process connects to Redis, and the one error for a Redis that does not serve: BusUnavailable.

The client's retries are off: redis-py repeats a command whose reply was lost, and one XADD would become two. Code whose
command is safe to repeat does so itself.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis import Redis as BlockingRedis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterCrossSlotError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry as BlockingRetry

from voicecall.bus.acceptance import COMMANDS, try_commands, try_subscribing
from voicecall.bus.keys import Keys
from voicecall.bus.primary import BlockingPrimary, BlockingToPrimary, Primary, ToPrimary
from voicecall.bus.sentinels import SentinelRefused
from voicecall.errors import BusRefused, BusUnavailable, ConfigError
from voicecall.settings import read_address

__all__ = [
    "BusClient",
    "as_bus_error",
    "connect",
    "connect_blocking",
    "keys_of",
    "reaching_redis",
    "require_accepted",
    "starting",
]

# Without this, newer versions of redis-py read their own metadata from disk for every connection, on the event loop.
_DRIVER: dict[str, Any] = {}
with suppress(ImportError):
    from redis.driver_info import DriverInfo

    _DRIVER["driver_info"] = DriverInfo()

_CONNECT_S: Final = 2.0

# Error prefixes of a server that cannot serve now: starting, out of memory, disk full, demoted, held by a script.
_NOT_NOW: Final = (
    "LOADING",
    "OOM",
    "MISCONF",
    "READONLY",
    "NOREPLICAS",
    "MASTERDOWN",
    "BUSY",
    "TRYAGAIN",
)


_log = logging.getLogger(__name__)


class BusClient(Redis):
    """A client that carries the names of its deployment's keys; `keys_of` reads them."""

    names: Keys


_REFUSALS: Final[tuple[tuple[tuple[type[RedisError], ...], tuple[str, ...], str], ...]] = (
    # exceptions of the client, texts of the server (also for other versions of the client), remedy
    (
        (AuthenticationError,),
        (
            "WRONGPASS ",
            "NOAUTH ",
            "unauthenticated ",
            "invalid password",
            "without any password configured",
            "no password is set",
        ),
        "correct the user and the password in REDIS_URL",
    ),
    (
        (NoPermissionError,),
        # The others are said of a command within a script, by Redis 6.2 and 7.
        ("NOPERM ", "The user executing the script can't", "ACL failure in script"),
        "give the user of REDIS_URL the permissions that docs/operations.md lists",
    ),
    (
        (AskError, ClusterCrossSlotError),
        ("MOVED ", "CROSSSLOT ", "CLUSTERDOWN ", "not allowed in cluster mode"),
        "it is a cluster: set REDIS_URL to one server, or to the Sentinels of one primary and its replicas",
    ),
    ((), ("DB index is out of range",), "correct the number of the database in REDIS_URL"),
    ((InvalidResponse,), (), "it is no Redis server: correct the host and the port in REDIS_URL"),
    (
        (),
        ("CERTIFICATE_VERIFY_FAILED",),
        "name its authority and its host as its certificate does, in REDIS_URL: ?ssl_ca_certs=/etc/ssl/redis-ca.pem",
    ),
    ((), ("WRONG_VERSION_NUMBER",), "it does not speak TLS at this port: write redis:// in REDIS_URL, or its TLS port"),
    ((), ("[X509", "[PEM", "KEY_VALUES_MISMATCH"), "correct the files of certificates that REDIS_URL names"),
)
_UNKNOWN_SERVICE: Final = "correct the name of the service in REDIS_URL: it is that of `sentinel monitor`"
_SENTINEL_REFUSES: Final = (
    "correct the hosts of the Sentinels in REDIS_URL, and sentinel_username and sentinel_password when they have one"
)


def connect(url: str, *, namespace: str | None = None, timeout_s: float = 5.0, connections: int = 32) -> BusClient:
    """A client of the server at `url`, or of the primary that its Sentinels name.

    Bytes in, bytes out; no retries; a command ends within `timeout_s`.

    `namespace`: of the keys and channels that are reached through it; None: the default of the URL's database. Connects
    with the first command. At most `connections` sockets, subscriptions included; further ones wait.
    """
    address = read_address(url)
    pool = BlockingConnectionPool.from_url(
        address.url,
        max_connections=connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(_CONNECT_S, timeout_s),
        **_socket_options(address.url),
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        retry_on_error=[],
        health_check_interval=0,  # the pool notices a closed socket when it hands it out; a PING costs a trip
        decode_responses=False,
        **_DRIVER,
        protocol=2,  # fakeredis and Redis 6.2 and 7 give equal replies in RESP2
    )
    bases: tuple[type, ...] = (_Cancellable, pool.connection_class)
    parts: dict[str, Any] = {}
    if address.sentinels:
        bases, parts = (_Cancellable, ToPrimary, pool.connection_class), {"primary": Primary(address)}
    pool.connection_class = type("Connection", bases, parts)
    client: BusClient = BusClient.from_pool(pool)  # type: ignore[assignment]  # it returns the class it is called on
    client.names = Keys.at(url, namespace)
    return client


def connect_blocking(url: str, *, timeout_s: float = 5.0) -> BlockingRedis:
    """As `connect`, for dramatiq: its client blocks, and may be shared by threads."""
    address = read_address(url)
    client: BlockingRedis = BlockingRedis.from_url(
        address.url,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(_CONNECT_S, timeout_s),
        **_socket_options(address.url),
        # A command that is repeated could enqueue a message twice.
        retry=BlockingRetry(NoBackoff(), 0),
    )
    if address.sentinels:
        pool = client.connection_pool
        parts = {"primary": BlockingPrimary(address)}
        pool.connection_class = type("BlockingConnection", (BlockingToPrimary, pool.connection_class), parts)
    return client


def _socket_options(url: str) -> dict[str, Any]:
    """The options of the client for a server at `url` that a Unix socket does not have."""
    return {} if url.startswith("unix:") else {"socket_keepalive": True}


def keys_of(redis: Redis) -> Keys:
    """The names of the keys and channels that this client uses. Any other client uses the default of its database."""
    if isinstance(redis, BusClient):
        return redis.names
    return Keys(Keys.default(redis.connection_pool.connection_kwargs.get("db")))


class _Cancellable:
    """A connection on which cancelling a command always cancels its task.

    redis-py sends inside `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that arrives in the same
    iteration of the loop in which the sending ends (measured: one in five). The task then continues, and the code that
    cancelled it waits for ever. Fixed in Python 3.12.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: Any = True) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        await super().send_packed_command(command, check_health)  # type: ignore[misc]  # the other base has it
        if task is not None and task.cancelling() > before:
            # The reply of this command stays unread: on this socket, later commands would get the wrong replies.
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # as above
            raise asyncio.CancelledError


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Within this block, an error that means "Redis does not serve now" becomes BusUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise as_bus_error(error) from error


async def require_accepted(redis: Redis) -> None:
    """Raise ConfigError when the server refuses this client. A server that does not answer may still start.

    For the start of a process. A cluster refuses two keys in different slots. That the server may delete keys of live
    calls to make room is only logged: it may not be ours to change.
    """
    names = keys_of(redis)
    with starting("REDIS_URL"):
        await redis.exists(names.calls_live, names.feed)
        await try_subscribing(redis, names.pulse("start"))
        await try_commands(redis, names.prefix, COMMANDS)
        policy = (await redis.info("memory")).get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            _log.warning("Redis may delete keys of live calls: set maxmemory-policy noeviction", extra={"set": policy})


@contextmanager
def starting(variable: str, *, must_answer: bool = False) -> Iterator[None]:
    """Within this block, a refusal of the server that `variable` names is a ConfigError.

    An outage ends the block, or is BusUnavailable when the server `must_answer`.
    """
    try:
        with reaching_redis():
            yield
    except BusRefused as error:
        raise ConfigError([f"{error}; {error.remedy.replace('REDIS_URL', variable)}"]) from error
    except BusUnavailable:
        if must_answer:
            raise


def as_bus_error(error: Exception) -> Exception:
    """BusUnavailable or BusRefused; the error itself when it is a bug (a bad script, a wrong type)."""
    if (refusal := _refusal(error)) is not None:
        return refusal
    if isinstance(error, OutOfMemoryError | ReadOnlyError):
        return BusUnavailable(f"Redis refuses: {_words(error)}")
    if isinstance(error, ResponseError):
        # For an error inside a script, Redis 6.2 puts the prefix in the middle of its message.
        text = str(error)
        prefix = next((word for word in _NOT_NOW if text.startswith(f"{word} ") or f"-{word} " in text), None)
        return error if prefix is None else BusUnavailable(f"Redis refuses: {text[text.index(prefix) :]}")
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        return BusUnavailable(f"Redis does not answer: {_words(error)}")
    return error


def _refusal(error: Exception) -> BusRefused | None:
    """What no waiting changes, but only who runs Redis or has written its address."""
    if isinstance(error, SentinelRefused):
        remedy = _UNKNOWN_SERVICE if error.is_unknown else _SENTINEL_REFUSES
        return BusRefused(f"the Sentinels refuse: {_words(error)}", remedy=remedy)
    for kinds, texts, remedy in _REFUSALS:
        if isinstance(error, RedisError | OSError) and (
            isinstance(error, kinds) or any(text in _words(error) for text in texts)
        ):
            return BusRefused(f"Redis refuses: {_words(error)}", remedy=remedy)
    if isinstance(error, ClusterDownError) and not isinstance(error, MasterDownError):
        return BusRefused(f"Redis refuses: {_words(error)}", remedy=_REFUSALS[2][2])
    return None


def _words(error: Exception) -> str:
    """What the server or the operating system says, without what the client adds to it."""
    text, code = str(error) or type(error).__name__, getattr(error, "status_code", None)
    return f"{code} {text}" if code and not text.startswith(code) else text
