"""A primary with a replica and three Sentinels on loopback: real processes, for tests of what happens when one dies."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from simulators.stack.redis import SERVICE, free_port, sentinel_command
from tests.fakes.redis_server import RedisServer, spawn, start_redis

__all__ = ["Watched", "watched"]

_SENTINELS = 3
_READY_S = 30.0


class Watched:
    """`servers`: the first is the primary at the start. `url`: with the Sentinels; `url_of` adds what is given."""

    def __init__(self, servers: list[RedisServer], sentinels: list[RedisServer]) -> None:
        self.servers = servers
        self.sentinels = sentinels
        self.url = self.url_of()

    def url_of(self, *, user: str = "", service: str = SERVICE, query: str = "", scheme: str = "redis") -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"{scheme}+sentinel://{user}{hosts}/{service}/0{query}"

    async def primary(self) -> RedisServer:
        """The one of the newest configuration that a Sentinel knows.

        `SENTINEL MASTER` still has the address of the former one while the replicas are being told of the new one.
        """
        epochs = [int((await self._state(each))["config-epoch"]) for each in self.sentinels]
        newest = self.sentinels[epochs.index(max(epochs))]
        _, port = await self._ask(newest, "GET-MASTER-ADDR-BY-NAME")
        return next(each for each in self.servers if each.port == int(port))

    async def ready(self) -> None:
        """Return when every Sentinel knows the replica and the other Sentinels: they can then promote it."""
        deadline = time.monotonic() + _READY_S
        for each in self.sentinels:
            while not await self._is_ready(each):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the Sentinels do not know each other: {await self._state(each)}")
                await asyncio.sleep(0.1)

    async def _is_ready(self, sentinel: RedisServer) -> bool:
        said = await self._state(sentinel)
        if (int(said["num-slaves"]), int(said["num-other-sentinels"])) != (1, _SENTINELS - 1):
            return False
        return (await self._ask(sentinel, "REPLICAS"))[0]["master-link-status"] == "ok"

    async def _state(self, sentinel: RedisServer) -> dict[str, str]:
        return await self._ask(sentinel, "MASTER")

    @staticmethod
    async def _ask(sentinel: RedisServer, about: str) -> Any:
        async with Redis.from_url(sentinel.url.removesuffix("/0"), decode_responses=True, protocol=3) as client:
            return await client.execute_command("SENTINEL", about, SERVICE)


@contextmanager
def watched(directory: Path, *, options: tuple[str, ...] = (), down_after_ms: int = 500) -> Iterator[Watched]:
    """`options`: of both servers."""
    with contextlib.ExitStack() as stack:
        first = start_redis(directory / "0", aof=True, fsync="everysec", options=options)
        stack.callback(first.kill)
        replicates = ("--replicaof", "127.0.0.1", str(first.port))
        second = start_redis(directory / "1", aof=True, fsync="everysec", options=(*options, *replicates))
        stack.callback(second.kill)
        sentinels = []
        for number in range(_SENTINELS):
            port, home = free_port(), directory / f"sentinel-{number}"
            command = sentinel_command(port, home, primary=first.port, down_after_ms=down_after_ms)
            sentinels.append(spawn(tuple(command), home, port))
            stack.callback(sentinels[-1].kill)
        yield Watched([first, second], sentinels)
