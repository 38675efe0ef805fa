"""A head start for the agent: it is asked while the commit that contains `AskAgent` is under way.

One per activation. The actor calls `begin` before each commit, `follow` after it; `agent_runner` takes the reply when
the committed `AskAgent` runs. Until then the reply waits here: it is not reported, and no voice is asked for it. When
the commit does not stand, or another step is committed in its place, the request is closed. Only agents whose requests
may be made in vain are asked so (docs/adr/0009). Saves the time of a commit in each turn.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Final

from actors.context import ActorContext
from actors.metering import stream_timed
from actors.questions import question_of
from actors.read_ahead import ReadAhead
from actors.reply_clock import ReplyClock
from voicecall.aio import end
from voicecall.call.effects import AskAgent, Effect
from voicecall.call.state import Call
from voicecall.ports import Question, ReplyPiece

__all__ = ["HeadStart", "StartedReply"]

_log = logging.getLogger(__name__)

_MOST: Final = 16_000  # characters of a reply that wait


class StartedReply:
    """The reply to a question whose commit was not known to stand when it was asked. `clock`: began with it."""

    def __init__(self, question: Question, ask: Callable[[Question], AsyncIterator[ReplyPiece]]) -> None:
        self.clock = ReplyClock()
        self.question = replace(question, on_step=self.clock.on_step)
        self._pieces = ReadAhead(stream_timed(ask(self.question), "agent", "first-text"), most=_MOST)

    def read(self) -> AsyncGenerator[ReplyPiece]:
        """As `Agent.reply` gives it."""
        return self._pieces.read()

    def cancel(self) -> asyncio.Task[None]:
        """Close the request. Returns the task that ends with it."""
        self._pieces.cancel()
        return self._pieces.task


class HeadStart:
    """At most one request at a time. `is_asked`: whether a question is asked already, by `preemptive`."""

    def __init__(
        self, context: ActorContext, *, epoch: int = 0, is_asked: Callable[[Question], bool] = lambda _: False
    ) -> None:
        self._context = context
        self._epoch = epoch
        self._is_asked = is_asked
        self._started: StartedReply | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def begin(self, call: Call, effects: Iterable[Effect]) -> None:
        """A step is about to be committed that leads to `call` and asks for `effects`; what was begun for another ends.

        For each attempt: when the log has grown, the step is decided again.
        """
        ask = next((effect for effect in effects if isinstance(effect, AskAgent)), None)
        agent = self._context.ports.on(call.route).agent
        if ask is None or self._closed or not agent.is_discardable:
            self.follow(call)
            return
        question = question_of(call, ask, self._epoch)
        if self._started is not None and self._started.question == question:
            return
        self._drop()
        if not self._is_asked(question):
            self._started = StartedReply(question, agent.reply)

    def follow(self, call: Call) -> None:
        """`call` is the state: a reply that it does not wait for is dropped."""
        if self._started is not None and not _waits_for(call, self._started.question.turn):
            self._drop()

    def take(self, question: Question) -> StartedReply | None:
        """The commit stands: the reply to this question, if it was asked; one to another question is dropped."""
        started = self._started
        if started is None or started.question != question:
            self._drop()
            return None
        self._started = None
        return started

    def stop(self) -> None:
        """Ask nothing more, and drop what is under way."""
        self._closed = True
        self._drop()

    async def close(self) -> None:
        """Return when nothing of it runs any more."""
        self.stop()
        for task in tuple(self._ending):
            await end(task)

    def _drop(self) -> None:
        started, self._started = self._started, None
        if started is None:
            return
        question, task = started.question, started.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        facts = {"call_id": question.call, "epoch": question.epoch, "turn": question.turn}
        _log.info("request dropped, its step was not committed", extra=facts)


def _waits_for(call: Call, turn: int) -> bool:
    return any(isinstance(effect, AskAgent) and effect.turn == turn for effect in call.pending.values())
