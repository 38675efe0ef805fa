"""The exchange's server, for workers and the gateway. Composition root of `python -m voicecall.phone`."""

import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson
from aiohttp import web

from voicecall.aio import Background
from voicecall.connections import ConnectionLimiter, LimitedRunner
from voicecall.errors import ConfigError
from voicecall.manifests.mock import CARRIER
from voicecall.phone.exchange import Exchange, Numbers
from voicecall.phone.leg import Services
from voicecall.phone.orders import Orders, guarded
from voicecall.phone.supervisor import supervisor_in
from voicecall.phone.tabs import Tabs
from voicecall.phone.webhooks import Webhooks
from voicecall.settings import Deployment, Settings
from voicecall.speech.registry import tts_for

__all__ = ["Options", "RunningExchange", "running_exchange"]

_AGENT: Final = "+15550000000"  # the system's number, where the configuration has none
_BODY: Final = 65_536
_CONNECTIONS: Final = 512

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line. `upstream`: REST API of the carrier of every number but `number`; "" for none."""

    host: str
    port: int
    number: str
    upstream: str
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningExchange:
    url: str
    background: Background

    async def drain(self) -> None:
        """Only logs: the calls end when the exchange closes."""
        _log.info("exchange stopping")


@asynccontextmanager
async def running_exchange(
    options: Options, settings: Settings, deployment: Deployment, environ: Mapping[str, str]
) -> AsyncIterator[RunningExchange]:
    """Serve until the block is left. Raises ConfigError, and OSError when the port is in use."""
    secret = _secret(settings, deployment)
    async with _services(settings, secret) as services:
        exchange = Exchange(
            services,
            Numbers(phone=options.number, agents=_agents(settings)),
            webhook_url=settings.webhook_url,
            grace_s=options.grace_s,
        )
        supervisor = supervisor_in(environ, services.http)
        tabs = Tabs(exchange, supervisor, streams=settings.is_streaming)
        app = web.Application(client_max_size=_BODY)
        app.add_routes(Orders(exchange, services.http, secret=secret, upstream=options.upstream).routes())
        app.add_routes([web.get("/tabs", guarded(secret, tabs.serve))])
        async with _listening(app, options) as url:
            try:
                yield RunningExchange(url=url, background=Background())
            finally:
                await exchange.close()
                await tabs.close()


@asynccontextmanager
async def _services(settings: Settings, secret: str) -> AsyncIterator[Services]:
    async with aiohttp.ClientSession() as http:
        webhooks = Webhooks(http, secret)
        voice = tts_for(settings, http) if settings.is_streaming and settings.tts.voices else None
        try:
            yield Services(http=http, webhooks=webhooks, voice=voice)
        finally:
            await webhooks.close()
            if voice is not None:
                await voice.close()


@asynccontextmanager
async def _listening(app: web.Application, options: Options) -> AsyncIterator[str]:
    """Serve, and print the address for whatever started this process. Raises OSError."""
    limiter = ConnectionLimiter(limit=_CONNECTIONS, per_sender=_CONNECTIONS)
    runner = LimitedRunner(app, limiter, access_log=None, shutdown_timeout=2.0)
    try:
        await runner.setup()
        await web.TCPSite(runner, options.host, options.port).start()
        url = f"http://{options.host}:{runner.addresses[0][1]}"
        _log.info("exchange listens", extra={"url": url})
        sys.stdout.write(orjson.dumps({"url": url}).decode() + "\n")
        sys.stdout.flush()
        yield url
    finally:
        await runner.cleanup()


def _agents(settings: Settings) -> tuple[str, ...]:
    """The system's own numbers, the main one first."""
    return tuple(dict.fromkeys((settings.from_number or _AGENT, *settings.numbers)))


def _secret(settings: Settings, deployment: Deployment) -> str:
    """The secret of its webhooks and of those who reach it."""
    if settings.provider != CARRIER.name:
        raise ConfigError([f"provider: {settings.provider!r} has phones of its own; test phones need {CARRIER.name!r}"])
    secret = deployment.secret(CARRIER)
    if not secret:
        raise ConfigError([f"{CARRIER.secret_variable} is required: it signs the webhooks of test phones; set it"])
    return secret
