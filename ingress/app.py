"""The composition root of `python -m ingress`: opens its parts in order and closes them in reverse.

Run by `voicecall.process`. A Redis that does not answer yet is no failed start: the process is unready until it does.
One that refuses this client is.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from ingress.health import Readiness
from ingress.public_address import PublicAddress, TunnelKeeper, exposed, require_public_url
from ingress.server import IngressServer
from voicecall import health
from voicecall.aio import Background
from voicecall.bus.clock import RedisClock
from voicecall.bus.connection import connect, keys_of, require_accepted
from voicecall.bus.doorbell import DramatiqDoorbell, require_queue, sending_broker
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.media.taps import TapPublisher
from voicecall.bus.membership import Membership
from voicecall.bus.public_address import PublicAddressPublisher
from voicecall.bus.watch import watch_redis
from voicecall.call.ids import NodeId
from voicecall.carriers.registry import codec_for
from voicecall.errors import BusUnavailable
from voicecall.recording import open_store
from voicecall.settings import Deployment, Settings, metrics_tokens
from voicecall.tracing import open_traces

__all__ = ["Ingress", "running_ingress"]

_log = logging.getLogger(__name__)

_BACKLOG: Final = 1024
_CALIBRATE_EVERY_S: Final = 60.0
_LAST_SPANS_S: Final = 0.3  # callers of the only ingress wait for the next one


@dataclass(frozen=True)
class Ingress:
    """An open ingress. `address` and `health_address` are what it listens on, also when port 0 was configured."""

    server: IngressServer
    listener: asyncio.Server
    has_successor: Callable[[], Awaitable[bool]]
    readiness: Readiness
    tunnel: TunnelKeeper
    background: Background
    address: tuple[str, int]
    health_address: tuple[str, int]

    async def drain(self) -> None:
        """Become unready, take no new calls, withdraw the public address, then close the media sockets.

        Where another ingress takes over, this one listens no more from the beginning, so that carriers reach only the
        other. Alone, it listens until each carrier has been instructed to wait for the next one.
        """
        self.readiness.start_draining()
        alone = not await self.has_successor()
        _log.info("ingress draining", extra={"streams": len(self.server.streams), "alone": alone})
        self.server.start_draining(alone=alone)
        await self.tunnel.withdraw()
        if not alone:
            self.listener.close()
        await self.server.drain()


@asynccontextmanager
async def running_ingress(
    settings: Settings, deployment: Deployment, environ: Mapping[str, str], listening: socket.socket | None = None
) -> AsyncIterator[Ingress]:
    """Serve until the block is left. Raises ConfigError, and OSError when an address is taken.

    `listening`: a socket that listens at the configured address already; without it, one is opened.
    """
    node = NodeId(f"ingress-{uuid.uuid4().hex[:12]}")
    codec = codec_for(settings, deployment)
    require_public_url(settings, deployment)
    public_address = PublicAddress(settings)
    async with AsyncExitStack() as stack:
        traces = open_traces("ingress", environ)
        if traces is not None:
            stack.callback(traces.close, _LAST_SPANS_S)
        redis = connect(deployment.redis_url, namespace=deployment.namespace)
        stack.push_async_callback(redis.aclose)
        await require_accepted(redis)
        await require_queue(deployment)
        broker = sending_broker(deployment.queue_url, redis.names)
        stack.callback(broker.close)
        media = RedisMediaBus(redis, node, on_unheard=lambda to, items: server.streams.on_undelivered(to, items))  # noqa: PLW0108  `server` is bound below
        store = open_store(settings)
        clock = RedisClock(redis)
        if store is not None:
            await clock.calibrate()
        server = IngressServer(
            settings=settings,
            public_address=public_address,
            node=node,
            codec=codec,
            log=RedisCallLog(redis),
            places=LiveCalls(redis),
            workers=Membership(redis),
            doorbell=DramatiqDoorbell(broker),
            media=media,
            traces=traces,
            publish_tap=TapPublisher(redis).publish,
            recordings=None if store is None else (store, clock.now),
        )
        background = Background()
        if server.recorders is not None:
            await stack.enter_async_context(background.running("recordings", server.recorders.run()))
            await stack.enter_async_context(background.running("clock", _keep_time(clock)))
        stack.push_async_callback(server.close)  # before the writers of recordings end
        ingresses = Ingresses(redis)
        await stack.enter_async_context(background.running("media", media.run(server.streams.deliver)))
        readiness = Readiness(lambda: _probe(redis, node, media), reachable=lambda: public_address.is_open)

        async def has_successor() -> bool:
            try:
                # A tunnel leads to its own ingress only.
                return await ingresses.leave(node) and not settings.is_tunnelled
            except BusUnavailable:
                return False

        await stack.enter_async_context(background.running("probe", readiness.run()))
        await stack.enter_async_context(background.running("redis watch", watch_redis(redis, Membership(redis))))
        server.measure_capacity()
        private = await stack.enter_async_context(
            health.serving(
                deployment.ingress_health,
                readiness.ready,
                readiness.live,
                role="ingress",
                tokens=metrics_tokens(deployment),
            )
        )
        listener = await stack.enter_async_context(
            _serving(server.server, listening, settings.serve.bind, settings.serve.port),
        )
        address = listener.sockets[0].getsockname()[:2]
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
        await stack.enter_async_context(background.running("presence", ingresses.run(node)))
        _log.info("ingress open", extra={"node": node, "address": list(address), "health": list(private)})
        yield Ingress(
            server=server,
            listener=listener,
            has_successor=has_successor,
            readiness=readiness,
            tunnel=tunnel,
            background=background,
            address=address,
            health_address=private,
        )
    _log.info("ingress closed", extra={"node": node})


async def _keep_time(clock: RedisClock) -> None:
    """Calibrate once a minute, until cancelled."""
    while True:
        await asyncio.sleep(_CALIBRATE_EVERY_S)
        with suppress(BusUnavailable):  # the clock goes on from the last time
            await clock.calibrate()


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
async def _serving(
    factory: Callable[[], asyncio.Protocol], listening: socket.socket | None, host: str, port: int
) -> AsyncIterator[asyncio.Server]:
    loop = asyncio.get_running_loop()
    if listening is None:
        server = await loop.create_server(factory, host, port, backlog=_BACKLOG)
    else:
        server = await loop.create_server(factory, sock=listening, backlog=_BACKLOG)
    try:
        yield server
    finally:
        # Not `wait_closed`: that waits for connections, and those are closed by `IngressServer.close`.
        server.close()
