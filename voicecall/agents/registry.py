"""Builds the configured agent. The only file here that reads settings.

`responseModel` is `provider/model`: what follows the first slash is the model's name. Address and key of the provider
are `responseBaseUrl` and `responseApiKey`, which the reading of the configuration fills by the prefix. `echo` repeats
the caller and `demo` is a restaurant, both without a model; `openclaw` and `remote/<agentId>` are agent hosts that are
connected to the gateway.
"""

import aiohttp

from voicecall.agents.demo import DemoAgent
from voicecall.agents.echo import EchoAgent
from voicecall.agents.llm import ChatModel
from voicecall.agents.remote import HostAgent, agent_named, asks_hosts
from voicecall.ports import Agent, AgentHosts
from voicecall.settings import Settings

__all__ = ["agent_for"]


def agent_for(settings: Settings, http: aiohttp.ClientSession, hosts: AgentHosts) -> Agent:
    """The configured agent. It borrows `http` and `hosts`."""
    prompt, total_s = settings.response_system_prompt, settings.response_timeout_ms / 1000
    if asks_hosts(settings.response_model):
        return HostAgent(hosts, agent=agent_named(settings.response_model), system_prompt=prompt, total_s=total_s)
    provider, slash, model = settings.response_model.partition("/")
    if provider == "echo":
        return EchoAgent()
    if provider == "demo":
        return DemoAgent()
    return ChatModel(
        http,
        base_url=settings.response_base_url,
        api_key=settings.response_api_key,
        model=model if slash else provider,
        system_prompt=prompt,
        total_s=total_s,
    )
