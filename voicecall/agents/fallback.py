"""Several agents, asked in order until one has a word of the reply (`responseFallbacks`).

The next agent is asked from the beginning only while nothing was given on. After that it goes on where the other broke
off: `ReplyCut` has the caller of `reply` ask again, with the sentences that count as said. Knows agents as ports with
names, and that an agent host may act; how they take over, `voicecall/failover.py`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from voicecall.agents.remote import HostAgent
from voicecall.aio import closing
from voicecall.call.ids import CallId
from voicecall.call.state import Party
from voicecall.errors import FailureKind, ServiceError
from voicecall.failover import Asked, Chain, Provider
from voicecall.ports import Agent, Question, ReplyCut, ReplyPiece, TurnNotStarted, TurnText

__all__ = ["FallbackAgent", "probe_of"]

_PROBE: Final = Question(
    call=CallId("00000000-0000-0000-0000-000000000000"),
    turn=0,
    caller="",
    session_key="",
    history=(TurnText(speaker=Party.USER, text="Hello."),),
)


class FallbackAgent(Agent):
    """`agents`: at least two, in order of preference."""

    def __init__(self, agents: Sequence[Provider[Agent]]) -> None:
        self._chain = Chain("agent", agents)

    @property
    def is_discardable(self) -> bool:
        return all(agent.port.is_discardable for agent in self._chain.providers)

    async def reply(self, question: Question) -> AsyncGenerator[ReplyPiece]:
        """As the port says. Raises ReplyCut when it broke off in its middle and another agent is left."""
        after = question.after
        asked = Asked() if after is None else Asked(dict(after.failures), instead_of=after.by)
        stream = self._chain.stream(
            lambda agent: agent.reply(question),
            asked=asked,
            may_ask=lambda agent: _may_ask(agent, self._chain.providers, asked.failures),
            may_be_empty=bool(question.said),
            call_id=question.call,
            turn=question.turn,
        )
        try:
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    yield piece
        except ServiceError as failure:
            if asked.answering is not None:
                self._raise_if_another_can_go_on({**asked.failures, asked.answering: failure}, asked.answering)
            raise

    def warm(self) -> None:
        """Warm the agent that would answer now."""
        agent = next((agent for agent in self._chain.providers if not agent.is_passed_over), None)
        if agent is not None:
            agent.port.warm()

    async def close(self) -> None:
        await self._chain.close()
        for agent in self._chain.providers:
            await agent.port.close()

    def _raise_if_another_can_go_on(self, failures: Mapping[str, ServiceError], cut: str) -> None:
        for agent in self._chain.providers:
            if agent.name not in failures and not agent.is_refused and _may_ask(agent, self._chain.providers, failures):
                raise ReplyCut(cut, failures) from failures[cut]


def probe_of(agent: Agent) -> Callable[[], Awaitable[None]]:
    """Asks a model for a word. Raises ServiceError without one."""

    async def ask_for_a_word() -> None:
        async with closing(agent.reply(_PROBE)) as pieces:
            async for _ in pieces:
                return
        raise ServiceError("agent", "gave nothing", kind=FailureKind.EMPTY)

    return ask_for_a_word


def _may_ask(agent: Provider[Agent], agents: Sequence[Provider[Agent]], failures: Mapping[str, ServiceError]) -> bool:
    """Not a second agent host, once one that began may have acted; a model only talks."""
    if not isinstance(agent.port, HostAgent):
        return True
    hosts = {each.name for each in agents if isinstance(each.port, HostAgent)}
    return not any(_may_have_acted(failure) for name, failure in failures.items() if name in hosts)


def _may_have_acted(failure: ServiceError) -> bool:
    return not isinstance(failure, TurnNotStarted) and failure.kind is not FailureKind.UNREACHABLE
