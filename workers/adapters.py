"""Opens the adapters of this worker as configured: carriers, STT, TTS and agents, over one HTTP session.

Used by `node`. The only file of a worker that reaches the registries. What it opens it closes, in reverse.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import aiohttp

from voicecall.agents.registry import agent_for
from voicecall.agents.tools.toolbox import toolbox_for
from voicecall.aio import Background, stop_process
from voicecall.breaker import Breakers
from voicecall.bus.agents.client import RedisAgentHosts
from voicecall.bus.connection import connect
from voicecall.bus.public_address import RedisPublicAddress
from voicecall.carriers.registry import control_for
from voicecall.ports import Address, AgentHosts, Ports, PublicAddressResolver, TurnJudge
from voicecall.realtime.registry import partner_for
from voicecall.settings import Deployment, Settings
from voicecall.speech.registry import stt_for, tts_for
from voicecall.speech.turn_model import load_turn_model

__all__ = ["open_ports"]


@asynccontextmanager
async def open_ports(
    settings: Settings, deployment: Deployment, breakers: Breakers | None = None
) -> AsyncIterator[Ports]:
    """The ports of every call, and of each number with settings of its own. Raises ConfigError."""
    breakers = breakers or Breakers()
    async with AsyncExitStack() as opening:
        # Each call holds one connection for STT: aiohttp's default of 100 would leave none for agent and TTS.
        connector = aiohttp.TCPConnector(limit=0)
        http = await opening.enter_async_context(aiohttp.ClientSession(connector=connector))
        partner = partner_for(settings, http, breakers)
        stt = stt_for(settings, http, breakers, partner=partner.service if partner else None)
        opening.push_async_callback(stt.close)
        tts = tts_for(settings, http, breakers)
        opening.push_async_callback(tts.close)
        hosts = await opening.enter_async_context(_agent_hosts(deployment))
        tools = toolbox_for(settings, http)
        opening.push_async_callback(tools.close)
        tools.warm()
        agent = agent_for(settings, http, hosts, breakers, tools, partner=partner.provider if partner else None)
        opening.push_async_callback(agent.close)
        public_address = _public_address(settings, deployment, opening)
        control = control_for(settings, deployment, http, public_address)
        default = Ports(
            controls={settings.provider: control},
            stt=stt,
            tts=tts,
            agent=agent,
            tools=tools,
            public_address=public_address,
            turn_judge=await _turn_judge(settings, opening),
            partner=partner,
        )
        routes = {
            str(number): _routed(
                default,
                settings,
                number,
                deployment=deployment,
                http=http,
                hosts=hosts,
                opening=opening,
                breakers=breakers,
            )
            for number in settings.numbers
        }
        yield replace(default, routes=routes)


def _routed(
    default: Ports,
    settings: Settings,
    number: str,
    *,
    deployment: Deployment,
    http: aiohttp.ClientSession,
    hosts: AgentHosts,
    opening: AsyncExitStack,
    breakers: Breakers,
) -> Ports:
    """The ports of one of our numbers: its own agent; with its own voice or language its own speech too."""
    routed = settings.on_route(number)
    partner = partner_for(routed, http, breakers)
    spoken = partner.provider if partner else None
    agent = agent_for(routed, http, hosts, breakers, default.tools, partner=spoken)
    opening.push_async_callback(agent.close)
    if routed.tts == settings.tts and routed.language == settings.language and partner is None:
        return replace(default, agent=agent)
    stt = default.stt
    if routed.language != settings.language or partner is not None:
        stt = stt_for(routed, http, breakers, partner=partner.service if partner else None)
        opening.push_async_callback(stt.close)
    tts = tts_for(routed, http, breakers)
    opening.push_async_callback(tts.close)
    control = control_for(routed, deployment, http, default.public_address)
    return replace(default, agent=agent, stt=stt, tts=tts, partner=partner, controls={routed.provider: control})


async def _turn_judge(settings: Settings, opening: AsyncExitStack) -> TurnJudge | None:
    """The configured turn model. Raises ConfigError when it cannot be used."""
    if settings.turns.model is None:
        return None
    model = await asyncio.to_thread(load_turn_model, settings.turns.model)
    opening.push_async_callback(model.close)
    return model


def _public_address(settings: Settings, deployment: Deployment, opening: AsyncExitStack) -> PublicAddressResolver:
    """The configured address, or with a tunnel the one the ingress publishes in Redis."""
    if not settings.is_tunnelled:
        return Address(webhook_url=settings.webhook_url, stream_url=settings.stream_url)
    redis = connect(deployment.redis_url, namespace=deployment.namespace, connections=4)
    opening.push_async_callback(redis.aclose)
    return RedisPublicAddress(redis)


@asynccontextmanager
async def _agent_hosts(deployment: Deployment) -> AsyncIterator[AgentHosts]:
    redis = connect(deployment.redis_url, namespace=deployment.namespace)
    hosts = RedisAgentHosts(redis)
    try:
        async with Background(stop_process).running("agent hosts", hosts.run()):
            yield hosts
    finally:
        await redis.aclose()
