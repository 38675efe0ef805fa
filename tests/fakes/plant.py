"""A Redis, a configuration, and worker processes on them, started by `dramatiq workers` as in production."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from tests.fakes.keys import keys
from voicecall.bus.connection import connect
from voicecall.bus.doorbell import DramatiqDoorbell, sending_broker
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import EndReason, HungUp, Mode, Placed
from voicecall.call.ids import E164, CallId, RequestId
from voicecall.call.state import Call

__all__ = ["CALL", "PLACED", "Plant", "kill_group", "open_plant"]

CALL = CallId("11111111-2222-4333-8444-555555555555")
PLACED = Placed(
    carrier="mock",
    from_=E164("+15550001"),
    to=E164("+15550002"),
    mode=Mode.CONVERSATION,
    message="Hello there.",
    request=RequestId("r-placed"),
)
CONFIG = {"provider": "mock", "fromNumber": "+15550001", "serve": {"port": 3334}}


class Plant:
    """A Redis, a configuration, and worker processes on them."""

    def __init__(self, url: str, redis: Redis, directory: Path) -> None:
        self.url = url
        self.redis = redis
        self.log = RedisCallLog(redis)
        self.doorbell = DramatiqDoorbell(sending_broker(url))
        self.directory = directory
        self.config = directory / "config.json5"
        self.store = directory / "store"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.configure()

    def configure(self, **keys: object) -> None:
        """Set the configuration of the workers that are started from now on."""
        self.config.write_text(json.dumps({**CONFIG, "store": str(self.store), **keys}))

    def spawn(self, **environ: str) -> subprocess.Popen[bytes]:
        log = (self.directory / f"worker-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dramatiq", "workers", "--processes", "1", "--threads", "4"),
            ],
            env={**os.environ, "REDIS_URL": self.url, "VOICECALL_CONFIG": str(self.config), **environ},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self.processes.append(process)
        return process

    def log_of(self, place: int = 0) -> str:
        return (self.directory / f"worker-{place}.log").read_text()

    async def ready(self, count: int) -> None:
        """Return when so many nodes listen on their channels."""

        async def nodes() -> bool:
            return len(await self.redis.pubsub_channels(keys.node_prefix + "*")) == count

        await self.until(nodes)

    async def until(self, holds: Callable[[], Awaitable[object]]) -> None:
        while not await holds():
            for place, process in enumerate(self.processes):
                if process.poll() not in {None, 0, -signal.SIGKILL}:
                    raise AssertionError(self.log_of(place))
            await asyncio.sleep(0.005)

    async def place(self) -> str:
        """Place a call and wait until it is dialled; returns the node that owns it."""
        await self.log.post(CALL, (PLACED,))
        await self.doorbell.ring(CALL)
        await self.until(self._dialled)
        return await self.owner()

    async def hang_up(self) -> None:
        """The carrier reports no answer: the call is over."""
        await self.log.post(CALL, (HungUp(leg=(await self.call()).leg, reason=EndReason.NO_ANSWER),))

    async def _dialled(self) -> bool:
        call = await self.log.read(CALL)
        return call is not None and call.leg is not None

    async def owner(self) -> str:
        held = await self.redis.get(keys.lease(CALL))
        return held.decode().split(" ", 1)[1] if held else ""

    async def call(self) -> Call:
        call = await self.log.read(CALL)
        assert call is not None
        return call

    async def owning(self) -> subprocess.Popen[bytes]:
        """The process whose node owns the call."""
        owner, found = await self.owner(), []

        async def has_logged_its_name() -> object:
            found[:] = [p for place, p in enumerate(self.processes) if f'"{owner}"' in self.log_of(place)]
            return found

        await self.until(has_logged_its_name)
        return found[0]


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and the children it forked, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


@asynccontextmanager
async def open_plant(url: str, directory: Path) -> AsyncIterator[Plant]:
    """A plant on an empty Redis; its processes are killed at the end."""
    redis = connect(url)
    flushed: Awaitable[object] = redis.flushall()
    await flushed
    plant = Plant(url, redis, directory)
    yield plant
    for process in plant.processes:
        kill_group(process)
    await redis.aclose()
