"""Runs all checks in order: configuration, Redis, processes, this machine, address, carrier, models.

A check that an earlier finding makes impossible is left out.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import RedisError

from voicecall.bus.connection import connect, keys_of
from voicecall.bus.dead import DeadLetters
from voicecall.bus.membership import Membership
from voicecall.bus.public_address import RedisPublicAddress
from voicecall.bus.scripts import Scripts
from voicecall.bus.sentinels import observations
from voicecall.carriers.registry import inspection_for
from voicecall.doctor import address, carrier, failover, machine, models, processes
from voicecall.doctor import redis as redis_
from voicecall.doctor.finding import Finding, fail, ok
from voicecall.errors import BusUnavailable, ConfigError, NotExposed
from voicecall.settings import Deployment, Loaded, RedisAddress, Settings, load_deployment, read_address, read_settings

__all__ = ["findings"]


async def findings(environ: Mapping[str, str] = os.environ) -> AsyncIterator[Finding]:
    """Yields each finding as soon as it is made. Raises nothing for a faulty installation."""
    try:
        deployment = load_deployment(environ)
    except ConfigError as error:
        yield fail("environment", "; ".join(error.problems), "correct the variables")
        return
    for finding in processes.judge_tokens(deployment):
        yield finding
    loaded: Loaded | None = None
    try:
        loaded = read_settings(environ)
    except ConfigError as error:
        yield fail("configuration", "; ".join(error.problems), "correct it: voicecall config check")
    else:
        seen = f"{loaded.source.path}: {loaded.settings.provider}"
        yield ok("configuration", seen) if loaded.settings.enabled else fail("configuration", seen, "set enabled: true")
    redis = connect(deployment.redis_url, namespace=deployment.namespace, timeout_s=2.0)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(redis.aclose)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async for finding in _stack(deployment, redis, http):
            yield finding
        if loaded is not None:
            for finding in await _machine(loaded.settings):
                yield finding
            async for finding in _outside(loaded.settings, deployment, redis, http):
                yield finding


async def _stack(deployment: Deployment, redis: Redis, http: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    async for finding in _redis(deployment, redis):
        yield finding
    if deployment.jobs_redis_url is not None:
        yield await processes.queue_answers(deployment)
    gateway = await processes.health(http, deployment.gateway_url)
    yield processes.judge_health("gateway", gateway, "start it: voicecall gateway; or set VOICECALL_GATEWAY_URL")
    if gateway.status:
        yield await processes.gateway_answers(deployment)
    ingress = await processes.health(http, deployment.ingress_health.url)
    yield processes.judge_health("ingress", ingress, "start it: voicecall ingress; or set VOICECALL_INGRESS_HEALTH")


async def _redis(deployment: Deployment, redis: Redis) -> AsyncIterator[Finding]:
    where = read_address(deployment.redis_url)
    for finding in failover.judge_encryption(where):
        yield finding
    if where.sentinels:
        for finding in failover.judge_sentinels(where, await observations(where)):
            yield finding
    try:
        async for finding in _within_redis(where, redis):
            yield finding
    except BusUnavailable as error:
        yield fail("redis.reach", str(error), failover.reach_remedy(where, error))
    except RedisError as error:  # a wrong type, say: the keys are not those of voicecall
        yield fail("redis.reach", f"{type(error).__name__}: {error}", "set REDIS_URL to voicecall's own Redis")


async def _within_redis(where: RedisAddress, redis: Redis) -> AsyncIterator[Finding]:
    server = await redis_.probe(redis)
    for finding in redis_.judge(server):
        yield finding
    for finding in failover.judge_replicas(where, server.info):
        yield finding
    yield await redis_.judge_rights(redis)
    for finding in redis_.judge_namespace(keys_of(redis).namespace, await redis_.foreign_namespaces(redis)):
        yield finding
    yield processes.judge_workers(await Membership(redis).present())
    for finding in processes.judge_dead_letters(await DeadLetters(redis, Scripts(redis)).count()):
        yield finding


async def _machine(settings: Settings) -> tuple[Finding, ...]:
    descriptors = machine.judge_descriptors(settings.streaming.max_connections if settings.streaming.enabled else 0)
    return await machine.archive_answers(settings), machine.judge_disk(settings.store_path), descriptors


async def _outside(
    settings: Settings, deployment: Deployment, redis: Redis, http: aiohttp.ClientSession
) -> AsyncIterator[Finding]:
    url: str | None = settings.webhook_url
    stream_url = settings.stream_url
    if settings.is_tunnelled:
        try:
            public = await RedisPublicAddress(redis).now()
            url, stream_url = public.webhook_url, public.stream_url
        except NotExposed as error:
            url = None
            seen, _, remedy = str(error).partition("; ")
            yield fail("address.tunnel", seen, remedy or "start the ingress")
    if url is not None:
        for finding in address.judge(settings, deployment, await address.probe(http, url)):
            yield finding
        if settings.is_streaming:
            yield address.judge_stream(await address.probe_stream(http, stream_url))
    try:
        inspection = await inspection_for(settings, deployment, http)
    except ConfigError as error:
        yield fail("carrier.credentials", "; ".join(error.problems), "set them")
    else:
        for finding in carrier.judge(settings, inspection, url):
            yield finding
    for finding in models.judge(settings, datetime.now(UTC).date()):
        yield finding
