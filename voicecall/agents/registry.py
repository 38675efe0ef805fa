"""Builds the configured agent. The only file here that reads settings.

`responseModel` is `provider/model`: what follows the first slash is the model's name. Address and key of the provider
are `responseBaseUrl` and `responseApiKey`, which the reading of the configuration fills by the prefix. `echo` repeats
the caller and `demo` is a restaurant, both without a model; `openclaw` and `remote/<agentId>` are agent hosts that are
connected to the gateway. Each of `responseFallbacks` is written so too.
"""

from collections import Counter

import aiohttp

from voicecall.agents.demo import DemoAgent
from voicecall.agents.echo import EchoAgent
from voicecall.agents.fallback import FallbackAgent, probe_of
from voicecall.agents.json_model import WholeAnswers
from voicecall.agents.llm import ChatModel
from voicecall.agents.remote import HostAgent, agent_named, asks_hosts
from voicecall.agents.tools.built_in import BUILT_IN, transfer_to
from voicecall.breaker import Breakers
from voicecall.failover import Provider
from voicecall.ports import NO_TOOLS, Agent, AgentHosts, Tools
from voicecall.settings import ResponseFallback, Settings

__all__ = ["agent_for", "whole_answers_for"]


def agent_for(
    settings: Settings,
    http: aiohttp.ClientSession,
    hosts: AgentHosts,
    breakers: Breakers | None = None,
    tools: Tools = NO_TOOLS,
    *,
    partner: Provider[Agent] | None = None,
) -> Agent:
    """The configured agent, and those that answer in its place. It borrows everything else that it is given.

    `tools`: the operator's own, beside the built-in ones. `partner`: a model that hears and speaks; the agents answer
    in its place, where that is wanted.
    """
    if partner is not None and not settings.realtime.falls_back:
        return partner.port
    main = {
        "model": settings.response_model,
        "baseUrl": settings.response_base_url,
        "apiKey": settings.response_api_key,
    }
    first = ResponseFallback.model_validate(main)
    # A number's own model may be one of the general fallbacks too.
    wanted = list(dict.fromkeys((first, *settings.response_fallbacks)))
    build = _Build(settings, http, hosts, len(wanted), tools)
    if len(wanted) == 1 and partner is None:
        return build.agent(first, is_followed=False)
    breakers, names = breakers or Breakers(), Counter[str]()
    agents = [] if partner is None else [partner]
    for place, each in enumerate(wanted, start=1):
        names[each.model] += 1
        name = each.model if names[each.model] == 1 else f"{each.model}#{names[each.model]}"
        agent = build.agent(each, is_followed=place < len(wanted))
        breaker = breakers.of("agent", each.model, each.base_url, each.api_key)
        # A host must not be asked for the sake of asking: its agent may act.
        probe = probe_of(agent) if isinstance(agent, ChatModel) else None
        agents.append(Provider(name, agent, breaker=breaker, probe=probe))
    return FallbackAgent(agents)


def whole_answers_for(settings: Settings, http: aiohttp.ClientSession) -> tuple[WholeAnswers, ...]:
    """The configured models that can answer beside a call, in their order; none where only hosts or `demo` answer."""
    main = {
        "model": settings.response_model,
        "baseUrl": settings.response_base_url,
        "apiKey": settings.response_api_key,
    }
    wanted = dict.fromkeys((ResponseFallback.model_validate(main), *settings.response_fallbacks))
    return tuple(
        WholeAnswers(
            http,
            base_url=each.base_url or settings.response_base_url,
            api_key=each.api_key,
            model=each.model.partition("/")[2] or each.model,
            connect_s=settings.response_connect_timeout_ms / 1000,
        )
        for each in wanted
        if not asks_hosts(each.model) and each.model.partition("/")[0] not in {"demo", "echo"}
    )


class _Build:
    """Builds the agents of one chain. Each that another one follows has its share of the reply's time at most."""

    def __init__(
        self, settings: Settings, http: aiohttp.ClientSession, hosts: AgentHosts, agents: int, tools: Tools
    ) -> None:
        self._settings = settings
        self._http = http
        self._hosts = hosts
        self._tools = tools
        self._total_s = settings.response_timeout_ms / 1000
        self._first_s = min(settings.response_first_token_timeout_ms / 1000, self._total_s / agents)

    def agent(self, written: ResponseFallback, *, is_followed: bool) -> Agent:
        """`is_followed`: another one answers when this one does not."""
        settings, prompt = self._settings, self._settings.response_system_prompt
        if asks_hosts(written.model):
            begin_s = self._first_s if is_followed else None
            agent = agent_named(written.model)
            return HostAgent(self._hosts, agent=agent, system_prompt=prompt, total_s=self._total_s, begin_s=begin_s)
        provider, slash, model = written.model.partition("/")
        if provider == "echo":
            return EchoAgent()
        if provider == "demo":
            return DemoAgent()
        return ChatModel(
            self._http,
            base_url=written.base_url or settings.response_base_url,
            api_key=written.api_key,
            model=model if slash else provider,
            system_prompt=prompt,
            total_s=self._total_s,
            first_s=self._first_s if is_followed else 20.0,
            connect_s=settings.response_connect_timeout_ms / 1000,
            is_followed=is_followed,
            tools=lambda: (*BUILT_IN, *transfer_to(settings.tools.transfer), *self._tools.specs()),
        )
