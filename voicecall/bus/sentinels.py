"""What Sentinels say of the primary that they watch. Used by `primary`, and by the doctor."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import redis.asyncio.connection
import redis.connection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry as BlockingRetry

from voicecall.settings import RedisAddress

__all__ = [
    "Observation",
    "Place",
    "SentinelRefused",
    "blocking_observations",
    "majority",
    "newest",
    "observations",
]

_TIMEOUT_S: Final = 1.0  # of one Sentinel

Place = tuple[str, int]
"""Host and port."""


class SentinelRefused(RedisError):
    """Its own words. `is_unknown`: it knows no service of this name."""

    def __init__(self, words: str, *, is_unknown: bool = False) -> None:
        super().__init__(words)
        self.is_unknown = is_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one Sentinel said. `place`: of the primary; None: it did not answer, for the reason `error`.

    `epoch`: of the configuration; the greatest is the newest. `others`, `replicas`: how many of each it knows.
    """

    sentinel: Place
    place: Place | None = None
    epoch: int = 0
    others: int = 0
    replicas: int = 0
    quorum: int = 0
    flags: str = ""
    error: Exception | None = None


async def observations(address: RedisAddress, *, enough: int | None = None) -> list[Observation]:
    """What each Sentinel says, in the order of the answers; of `enough` that answered, the rest is not waited for."""
    asking = [asyncio.ensure_future(_observe(address, sentinel)) for sentinel in address.sentinels]
    seen: list[Observation] = []
    try:
        for answered in asyncio.as_completed(asking):
            seen.append(await answered)
            if enough is not None and sum(each.place is not None for each in seen) >= enough:
                break
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return seen


def blocking_observations(address: RedisAddress, *, enough: int) -> list[Observation]:
    """As `observations`, one Sentinel after the other."""
    seen: list[Observation] = []
    for sentinel in address.sentinels:
        seen.append(_observe_blocking(address, sentinel))
        if sum(each.place is not None for each in seen) >= enough:
            break
    return seen


def majority(address: RedisAddress) -> int:
    return len(address.sentinels) // 2 + 1


def newest(seen: Iterable[Observation], address: RedisAddress) -> Place:
    """The primary of the newest configuration that any of them knows: one that was cut off may know an older one."""
    seen = tuple(seen)
    found = [(each.epoch, each.place) for each in seen if each.place is not None]
    if found:
        return max(found)[1]
    for each in seen:
        if isinstance(each.error, SentinelRefused | AuthenticationError | ResponseError):
            words = str(each.error)
            raise SentinelRefused(words, is_unknown="No such master" in words)
    words = "; ".join(f"{each.sentinel[0]}:{each.sentinel[1]}: {each.error}" for each in seen)
    raise RedisConnectionError(f"no Sentinel of {address.service} answers ({words})")


async def _observe(address: RedisAddress, sentinel: Place) -> Observation:
    kind = redis.asyncio.connection.SSLConnection if address.is_encrypted else redis.asyncio.connection.Connection
    connection: Any = kind(**_sentinel_options(address, sentinel), retry=Retry(NoBackoff(), 0))
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await connection.connect()
            replies = []
            for command in _questions(address):
                await connection.send_command(*command)
                replies.append(await connection.read_response())
        return _observation(sentinel, *replies)
    except (RedisError, OSError) as error:
        return Observation(sentinel=sentinel, error=error)
    finally:
        with suppress(RedisError, OSError):
            await connection.disconnect(nowait=True)


def _observe_blocking(address: RedisAddress, sentinel: Place) -> Observation:
    kind = redis.connection.SSLConnection if address.is_encrypted else redis.connection.Connection
    connection: Any = kind(**_sentinel_options(address, sentinel), retry=BlockingRetry(NoBackoff(), 0))
    try:
        connection.connect()
        replies = []
        for command in _questions(address):
            connection.send_command(*command)
            replies.append(connection.read_response())
        return _observation(sentinel, *replies)
    except (RedisError, OSError) as error:
        return Observation(sentinel=sentinel, error=error)
    finally:
        with suppress(RedisError, OSError):
            connection.disconnect()


def _sentinel_options(address: RedisAddress, sentinel: Place) -> dict[str, Any]:
    username, password = address.credentials
    encryption = {
        name: value
        for name, value in parse_url(address.url).items()
        if name.startswith("ssl_") and address.is_encrypted
    }
    return {
        **encryption,
        "host": sentinel[0],
        "port": sentinel[1],
        "username": username,
        "password": password,
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _TIMEOUT_S,
        "protocol": 2,
    }


def _questions(address: RedisAddress) -> tuple[tuple[str, ...], ...]:
    """The first names a promoted server before the second does; the second says which answer is newer."""
    return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service), ("SENTINEL", "MASTER", address.service)


def _observation(sentinel: Place, place: list[bytes] | None, state: list[bytes]) -> Observation:
    if place is None:
        raise SentinelRefused("ERR No such master with that name", is_unknown=True)
    pairs = iter(value.decode("utf-8", "replace") for value in state)
    said = dict(zip(pairs, pairs, strict=False))
    return Observation(
        sentinel=sentinel,
        place=(place[0].decode(), int(place[1])),
        epoch=_number(said, "config-epoch"),
        others=_number(said, "num-other-sentinels"),
        replicas=_number(said, "num-slaves"),
        quorum=_number(said, "quorum"),
        flags=said.get("flags", ""),
    )


def _number(said: dict[str, str], name: str) -> int:
    return int(said.get(name, "0"))
