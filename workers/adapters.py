"""Who fills the roles of a call on this worker, as configured: carrier, ears, voice and agent, over one session.

The only file of a worker that names a maker. What it opens it closes, in reverse.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from voicecall.agents.registry import agent_for
from voicecall.carriers.registry import control_for
from voicecall.ports import Ports
from voicecall.settings import Deployment, Settings
from voicecall.speech.registry import stt_for, tts_for

__all__ = ["open_ports"]


@asynccontextmanager
async def open_ports(settings: Settings, deployment: Deployment) -> AsyncIterator[Ports]:
    """Raises ConfigError when something that is configured cannot be used."""
    async with AsyncExitStack() as opening:
        # Each call keeps one connection for its ears: aiohttp's hundred would leave none for agent and voice.
        connector = aiohttp.TCPConnector(limit=0)
        http = await opening.enter_async_context(aiohttp.ClientSession(connector=connector))
        agent = agent_for(settings, http)
        opening.push_async_callback(agent.close)
        tts = tts_for(settings, http)
        opening.push_async_callback(tts.close)
        stt = stt_for(settings, http)
        opening.push_async_callback(stt.close)
        control = control_for(settings, deployment, http)
        yield Ports(controls={settings.provider: control}, stt=stt, tts=tts, agent=agent)
