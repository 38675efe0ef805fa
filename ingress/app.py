"""The ingress as a process: what it is made of, how it starts, and how it leaves.

One of the four places where things are put together. Everything opened here is closed in reverse by the same function.
A start that cannot succeed ends with one clear sentence and a non-zero exit; a Redis that is not there yet is not such
a start, only unreadiness.
"""

import asyncio
import logging
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import uvloop
from redis.asyncio import Redis

from ingress.health import Health
from ingress.public_address import PublicAddress, TunnelKeeper, exposed, refuse_privacy
from ingress.server import IngressServer
from voicecall import logs
from voicecall.aio import Background, BackgroundFailed, end
from voicecall.bus.connection import connect
from voicecall.bus.doorbell import DramatiqDoorbell, sending_broker
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.public_address import PublicAddressPublisher
from voicecall.call.ids import NodeId
from voicecall.carriers.registry import codec_for
from voicecall.errors import ConfigError
from voicecall.settings import Deployment, Settings, load_deployment, load_settings

__all__ = ["Running", "main", "running"]

_log = logging.getLogger(__name__)

_BACKLOG: Final = 1024


@dataclass(frozen=True)
class Running:
    """An open ingress. `address` and `health_address` are what it listens on, for whoever chose port 0."""

    server: IngressServer
    health: Health
    exposure: TunnelKeeper
    background: Background
    address: tuple[str, int]
    health_address: tuple[str, int]

    async def leave(self) -> None:
        """Stop gracefully, in the order of reliability 5.5: unready, no newcomers, then the sockets one by one."""
        self.health.begin_closing()
        self.server.begin_closing()
        await self.exposure.leave()
        await self.server.empty()


def main(environ: Mapping[str, str]) -> int:
    """Run until SIGTERM or SIGINT. The exit status: 0 after a graceful stop, 1 when the start failed."""
    logs.configure("ingress")
    try:
        settings, deployment = load_settings(environ), load_deployment(environ)
        uvloop.run(_serve(settings, deployment, environ))
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"voicecall ingress cannot start: {problem}\n")
        return 1
    except BackgroundFailed:
        return 1
    except OSError as error:
        sys.stderr.write(f"voicecall ingress cannot start: {error.strerror or error}\n")
        return 1
    return 0


@asynccontextmanager
async def running(settings: Settings, deployment: Deployment, environ: Mapping[str, str]) -> AsyncIterator[Running]:
    """An ingress from its first socket to its last. Raises ConfigError and OSError when it cannot be opened."""
    node = NodeId(f"ingress-{uuid.uuid4().hex[:12]}")
    codec = codec_for(settings, deployment)
    refuse_privacy(settings, deployment)
    public_address = PublicAddress(settings)
    async with AsyncExitStack() as stack:
        redis = connect(deployment.redis_url)
        stack.push_async_callback(redis.aclose)
        broker = sending_broker(deployment.redis_url)
        stack.callback(broker.close)
        media = RedisMediaBus(redis, node, on_unheard=lambda to, items: server.streams.unheard(to, items))  # noqa: PLW0108 - front comes after
        server = IngressServer(
            settings=settings,
            public_address=public_address,
            node=node,
            codec=codec,
            log=RedisCallLog(redis),
            places=LiveCalls(redis),
            doorbell=DramatiqDoorbell(broker),
            media=media,
        )
        stack.push_async_callback(server.close)
        background = Background()
        await stack.enter_async_context(background.running("media", media.run(server.streams.deliver)))
        health = Health(lambda: _probe(redis, node, media), reachable=lambda: public_address.is_open)
        await stack.enter_async_context(background.running("probe", health.run()))
        listener = deployment.ingress_health
        private = await stack.enter_async_context(_listening(health.server(), listener.host, listener.port))
        address = await stack.enter_async_context(
            _listening(server.server, settings.serve.bind, settings.serve.port),
        )
        exposure = await stack.enter_async_context(
            exposed(
                settings,
                deployment,
                address[1],
                public_address=public_address,
                publisher=PublicAddressPublisher(redis, node),
                environ=environ,
                background=background,
            )
        )
        _log.info("ingress open", extra={"node": node, "address": list(address), "health": list(private)})
        yield Running(
            server=server,
            health=health,
            exposure=exposure,
            background=background,
            address=address,
            health_address=private,
        )
    _log.info("ingress closed", extra={"node": node})


async def _serve(settings: Settings, deployment: Deployment, environ: Mapping[str, str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Only a flag: a second signal changes nothing.
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        # A tunnel may take half a minute to open: who wants us gone does not wait for it.
        opening = asyncio.create_task(stack.enter_async_context(running(settings, deployment, environ)))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            return
        ingress = opening.result()
        failed = asyncio.create_task(ingress.background.failed())
        await asyncio.wait({failed, stopping}, return_when=asyncio.FIRST_COMPLETED)
        _log.info("ingress leaves", extra={"streams": len(ingress.server.streams)})
        await ingress.leave()
        if failed.done():
            await failed
        await end(failed)


async def _probe(redis: Redis, node: NodeId, media: RedisMediaBus) -> float:
    await media.ready()  # a door that cannot hear its workers is no door
    pipeline = redis.pipeline(transaction=False)
    pipeline.set(f"probe:{node}", b"1", px=10_000)
    pipeline.get(f"probe:{node}")
    pipeline.time()
    _, value, (seconds, micros) = await pipeline.execute()
    if value != b"1":
        raise RuntimeError("Redis forgot what it was told")
    return float(seconds) + float(micros) / 1e6


@asynccontextmanager
async def _listening(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, host, port, backlog=_BACKLOG)
    try:
        name = server.sockets[0].getsockname()
        yield name[0], name[1]
    finally:
        # Not `wait_closed`: that waits for connections, and those are the front's to close.
        server.close()
