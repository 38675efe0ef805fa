"""Opens the ports of a worker as configured: carrier control, speech recognition, speech synthesis, agent.

They share one HTTP session. What is opened here is closed here, in reverse order.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import aiohttp

from voicecall.agents.registry import agent_for
from voicecall.aio import Background, stop_process
from voicecall.bus.agents.client import RedisAgentHosts
from voicecall.bus.connection import connect
from voicecall.bus.public_address import RedisPublicAddress
from voicecall.carriers.registry import control_for
from voicecall.ports import Address, AgentHosts, Ports, PublicAddressResolver
from voicecall.settings import Deployment, Settings
from voicecall.speech.registry import stt_for, tts_for

__all__ = ["open_ports"]


@asynccontextmanager
async def open_ports(settings: Settings, deployment: Deployment) -> AsyncIterator[Ports]:
    """The ports, and those of each of `numbers`. Raises ConfigError when one cannot be used as configured."""
    async with AsyncExitStack() as opening:
        # Each call holds one connection for recognition; aiohttp's limit of 100 would leave none for the others.
        connector = aiohttp.TCPConnector(limit=0)
        http = await opening.enter_async_context(aiohttp.ClientSession(connector=connector))
        stt = stt_for(settings, http)
        opening.push_async_callback(stt.close)
        tts = tts_for(settings, http)
        opening.push_async_callback(tts.close)
        hosts = await opening.enter_async_context(_agent_hosts(deployment.redis_url))
        agent = agent_for(settings, http, hosts)
        opening.push_async_callback(agent.close)
        public_address = _public_address(settings, deployment, opening)
        control = control_for(settings, deployment, http, public_address)
        usual = Ports(
            controls={settings.provider: control}, stt=stt, tts=tts, agent=agent, public_address=public_address
        )
        routes = {
            str(number): _routed(
                usual, settings, number, deployment=deployment, http=http, hosts=hosts, opening=opening
            )
            for number in settings.numbers
        }
        yield replace(usual, routes=routes)


def _routed(
    usual: Ports,
    settings: Settings,
    number: str,
    *,
    deployment: Deployment,
    http: aiohttp.ClientSession,
    hosts: AgentHosts,
    opening: AsyncExitStack,
) -> Ports:
    """The ports of one of `numbers`: its own agent, and with another `tts` its own synthesis and control."""
    here = settings.on_route(number)
    agent = agent_for(here, http, hosts)
    opening.push_async_callback(agent.close)
    if here.tts == settings.tts:
        return replace(usual, agent=agent)
    tts = tts_for(here, http)
    opening.push_async_callback(tts.close)
    control = control_for(here, deployment, http, usual.public_address)
    return replace(usual, agent=agent, tts=tts, controls={here.provider: control})


def _public_address(settings: Settings, deployment: Deployment, opening: AsyncExitStack) -> PublicAddressResolver:
    """The configured address, or the one that the ingress with the tunnel publishes."""
    if not settings.is_tunnelled:
        return Address(webhook_url=settings.webhook_url, stream_url=settings.stream_url)
    redis = connect(deployment.redis_url, connections=4)
    opening.push_async_callback(redis.aclose)
    return RedisPublicAddress(redis)


@asynccontextmanager
async def _agent_hosts(redis_url: str) -> AsyncIterator[AgentHosts]:
    redis = connect(redis_url)
    hosts = RedisAgentHosts(redis)
    try:
        async with Background(stop_process).running("agent hosts", hosts.run()):
            yield hosts
    finally:
        await redis.aclose()
