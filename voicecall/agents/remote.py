"""Replies from an agent host: a program, such as OpenClaw, that is connected to the gateway and answers turns of calls.

Chosen by `responseModel: "openclaw"` (any host, any agent) or `"remote/<agentId>"`. Decides what a host receives and
how often a turn is passed on to another host; does not know how hosts are reached (`AgentHosts`).
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from voicecall.agents.prompt import instructions_of, newest_of
from voicecall.call.admission import number_of
from voicecall.call.sessions import MAIN_AGENT
from voicecall.call.state import Party
from voicecall.errors import ServiceError
from voicecall.ports import Agent, AgentHosts, AgentWrote, Question, TurnNotStarted, TurnRequest
from voicecall.text.spoken import SpokenText

__all__ = ["HostAgent", "agent_named", "asks_hosts"]

_HOSTS_TRIED: Final = 3
_LONGEST_REPLY: Final = 16_000
"""Characters: about a quarter of an hour of speech. A longer reply is an error of the host."""


def asks_hosts(response_model: str) -> bool:
    """Whether `responseModel` names agent hosts rather than a model."""
    return response_model == "openclaw" or response_model.startswith("remote/")


def agent_named(response_model: str) -> str | None:
    """The agent that `responseModel` names; None: the host's default."""
    return response_model.partition("/")[2] or None


class HostAgent(Agent):
    """`agent` None: the agent of the call's session, else the host's default. `total_s`: timeout of the whole reply.

    `begin_s`: where another agent answers when no host does, how long the hosts have to begin, together. The hosts are
    shared and not closed here.
    """

    def __init__(
        self,
        hosts: AgentHosts,
        *,
        agent: str | None = None,
        system_prompt: str | None = None,
        total_s: float = 30.0,
        begin_s: float | None = None,
    ) -> None:
        self._hosts = hosts
        self._agent = agent
        self._system_prompt = system_prompt
        self._total_s = total_s
        self._begin_s = begin_s

    async def reply(self, question: Question) -> AsyncGenerator[str]:
        """As the port says. A turn that a host took but did not begin goes to another host, up to three in all."""
        deadline = time.monotonic() + self._total_s
        begin_by = None if self._begin_s is None else time.monotonic() + self._begin_s
        avoid: tuple[str, ...] = ()
        for left in reversed(range(_HOSTS_TRIED)):
            ask = self._ask(question, _left(deadline), avoid)
            ask = ask if begin_by is None else replace(ask, begin_s=_left(begin_by))
            try:
                async with aclosing(self._spoken(ask)) as pieces:
                    async for piece in pieces:
                        yield piece
            except TurnNotStarted as error:
                if not left or time.monotonic() >= (begin_by or deadline):
                    raise
                avoid = (*avoid, error.host)
            else:
                return

    async def close(self) -> None:
        """Nothing is open between replies."""

    def _ask(self, question: Question, timeout_s: float, avoid: tuple[str, ...]) -> TurnRequest:
        lines = newest_of(question.history)
        text = lines[-1].text if lines and lines[-1].speaker is Party.USER else ""
        return TurnRequest(
            call=question.call,
            turn=question.turn,
            epoch=question.epoch,
            session_key=question.session_key or _session_of(question),
            agent=self._agent or (None if question.agent_id == MAIN_AGENT else question.agent_id),
            text=text,
            transcript=lines[:-1] if text else lines,
            direction=question.direction,
            number_verified=question.number_verified,
            system_prompt=instructions_of(question, (self._system_prompt or "").strip(), going_on=True),
            timeout_s=timeout_s,
            avoid=avoid,
            on_step=question.on_step,
        )

    async def _spoken(self, ask: TurnRequest) -> AsyncGenerator[str]:
        spoken = SpokenText()
        try:
            async with aclosing(_bounded(self._hosts.ask(ask))) as pieces:
                async for piece in pieces:
                    ask.on_step(AgentWrote())
                    if text := spoken.feed(piece):
                        yield text
        except ServiceError:
            if text := spoken.flush():
                yield text
            raise
        if text := spoken.flush():
            yield text


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


async def _bounded(reply: AsyncGenerator[str]) -> AsyncGenerator[str]:
    left = _LONGEST_REPLY
    async with aclosing(reply) as pieces:
        async for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise ServiceError("agent-host", f"the reply is over {_LONGEST_REPLY} characters", retryable=False)
            yield piece


def _session_of(question: Question) -> str:
    """One session for each phone number, for calls without a session key of their own."""
    number = number_of(question.caller)
    return f"voice:call:{question.call}" if number is None else f"voice:{number[1:]}"
