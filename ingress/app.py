"""The composition root of `python -m ingress`: opens its parts in order and closes them in reverse.

Run by `voicecall.process`. A Redis that does not answer yet is no failed start: the process is unready until it does.
One that refuses this client is.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from ingress.health import Readiness
from ingress.public_address import PublicAddress, TunnelKeeper, exposed, require_public_url
from ingress.server import IngressServer
from voicecall import health
from voicecall.aio import Background
from voicecall.bus.connection import connect, keys_of, require_accepted
from voicecall.bus.doorbell import DramatiqDoorbell, require_queue, sending_broker
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.public_address import PublicAddressPublisher
from voicecall.call.ids import NodeId
from voicecall.carriers.registry import codec_for
from voicecall.settings import Deployment, Settings

__all__ = ["Ingress", "running_ingress"]

_log = logging.getLogger(__name__)

_BACKLOG: Final = 1024


@dataclass(frozen=True)
class Ingress:
    """An open ingress. `address` and `health_address` are what it listens on, also when port 0 was configured."""

    server: IngressServer
    readiness: Readiness
    tunnel: TunnelKeeper
    background: Background
    address: tuple[str, int]
    health_address: tuple[str, int]

    async def drain(self) -> None:
        """Become unready, take no new calls, withdraw the public address, then close the media sockets one by one."""
        _log.info("ingress draining", extra={"streams": len(self.server.streams)})
        self.readiness.start_draining()
        self.server.start_draining()
        await self.tunnel.withdraw()
        await self.server.drain()


@asynccontextmanager
async def running_ingress(
    settings: Settings, deployment: Deployment, environ: Mapping[str, str]
) -> AsyncIterator[Ingress]:
    """Serve until the block is left. Raises ConfigError, and OSError when an address is taken."""
    node = NodeId(f"ingress-{uuid.uuid4().hex[:12]}")
    codec = codec_for(settings, deployment)
    require_public_url(settings, deployment)
    public_address = PublicAddress(settings)
    async with AsyncExitStack() as stack:
        redis = connect(deployment.redis_url, namespace=deployment.namespace)
        stack.push_async_callback(redis.aclose)
        await require_accepted(redis)
        await require_queue(deployment)
        broker = sending_broker(deployment.queue_url, redis.names)
        stack.callback(broker.close)
        media = RedisMediaBus(redis, node, on_unheard=lambda to, items: server.streams.on_undelivered(to, items))  # noqa: PLW0108  `server` is bound below
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
        readiness = Readiness(lambda: _probe(redis, node, media), reachable=lambda: public_address.is_open)
        await stack.enter_async_context(background.running("probe", readiness.run()))
        private = await stack.enter_async_context(
            health.serving(deployment.ingress_health, readiness.ready, readiness.live)
        )
        address = await stack.enter_async_context(
            _listening(server.server, settings.serve.bind, settings.serve.port),
        )
        tunnel = await stack.enter_async_context(
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
        yield Ingress(
            server=server,
            readiness=readiness,
            tunnel=tunnel,
            background=background,
            address=address,
            health_address=private,
        )
    _log.info("ingress closed", extra={"node": node})


async def _probe(redis: Redis, node: NodeId, media: RedisMediaBus) -> float:
    await media.ready()  # without its channel this ingress receives nothing from workers
    pipeline = redis.pipeline(transaction=False)
    key = keys_of(redis).probe(node)
    pipeline.set(key, b"1", px=10_000)
    pipeline.get(key)
    pipeline.time()
    _, value, (seconds, micros) = await pipeline.execute()
    if value != b"1":
        raise RuntimeError("Redis did not give back what was written")
    return float(seconds) + float(micros) / 1e6


@asynccontextmanager
async def _listening(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, host, port, backlog=_BACKLOG)
    try:
        name = server.sockets[0].getsockname()
        yield name[0], name[1]
    finally:
        # Not `wait_closed`: that waits for connections, and those are closed by `IngressServer.close`.
        server.close()
