"""Asks the agent for the reply to a turn and reports it sentence by sentence.

Run by the agent lane. Knows the role `Agent` and where a sentence ends. `decide` judges whether a reply is still
wanted; here a request is only started, reported and cancelled.
"""

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from actors.context import ActorContext, Report
from actors.head_start import HeadStart
from actors.metering import effect_counted, stream_timed
from actors.preemptive import EarlyReplies, EarlyReply
from actors.questions import question_of
from actors.reply_clock import ReplyClock
from voicecall.aio import closing
from voicecall.call.effects import AskAgent
from voicecall.call.events import AgentDone, AgentFailed, AgentSaid, Failover, ModelTokens, ToolRequest
from voicecall.call.phrases import DEFAULT_LANGUAGE
from voicecall.call.state import Call
from voicecall.errors import ServiceError
from voicecall.ports import EndCall, Question, ReplyCut, ReplyPiece, Spoken, ToolCalls, Usage
from voicecall.speech.sentences import Sentences

__all__ = ["AgentRunner"]

_log = logging.getLogger(__name__)


class AgentRunner:
    """Runs one request at a time. `call` gives the committed state.

    `on_first_sentence` is called with the first sentence of each reply before it is reported, so that TTS may start.
    `early`: replies that were asked for before the turn was over; `head_start`: before the commit of `AskAgent` stood.
    """

    def __init__(
        self,
        context: ActorContext,
        call: Callable[[], Call],
        report: Report,
        on_first_sentence: Callable[[str], None] | None = None,
        *,
        early: EarlyReplies | None = None,
        head_start: HeadStart | None = None,
        epoch: int = 0,
    ) -> None:
        self._context = context
        self._call = call
        self._report = report
        self._on_first_sentence = on_first_sentence
        self._early = early
        self._head_start = head_start
        self._epoch = epoch
        self._is_warm = False
        self._is_first = True  # no sentence of this reply is reported yet
        self._clock = ReplyClock()  # of this reply
        self._taken: EarlyReply | None = None  # this reply, where it was asked for early
        self._failover: Failover | None = None  # of this reply, while it is not reported
        self._said: list[str] = []  # the sentences of this reply
        self._item = ""  # the last of them is the text of this audio, as far as it goes
        self._ends_call = False  # with this reply
        self._tokens: ModelTokens | None = None  # of this reply, as far as a service has counted them
        self._calls: tuple[ToolRequest, ...] = ()  # of tools, at its end

    def follow(self, call: Call) -> None:
        """Prepare while the phone rings: open the connection to the agent."""
        if not self._is_warm and call.leg is not None and not call.is_ending and not call.is_notice:
            self._is_warm = True
            self._context.ports.on(call.route).agent.warm()

    async def run(self, ask: AskAgent) -> None:
        """Report `AgentSaid` per sentence, then `AgentDone` or `AgentFailed`. Reports nothing when cancelled."""
        question = question_of(self._call(), ask, self._epoch)
        with effect_counted(ask) as result:
            reason = await self._reply(question)
            if not reason:
                self._report(self._done(ask.turn))
                return
            result.value = "failed"
            _log.warning("agent failed", extra={"call_id": question.call, "turn": ask.turn, "reason": reason})
            self._report(AgentFailed(turn=ask.turn, reason=reason))

    def _done(self, turn: int) -> AgentDone:
        if not self._calls:
            return AgentDone(turn=turn, ends_call=self._ends_call, tokens=self._tokens)
        return AgentDone(turn=turn, calls=self._calls, wrote=" ".join(self._said), tokens=self._tokens)

    async def _reply(self, question: Question) -> str:
        """Report the sentences of the reply; why it failed, "" when it is complete.

        Where it breaks off and another agent is left, that one goes on after the last complete sentence.
        """
        self._is_first, self._ends_call, self._said, self._calls, self._item = True, False, [], (), ""
        self._clock, self._failover, self._tokens = ReplyClock(), None, None
        asked = question
        while True:
            try:
                return await self._answer(asked)
            except ReplyCut as cut:
                asked = replace(question, said=(*question.said, *self._said), after=cut)

    async def _answer(self, question: Question) -> str:
        """As `_reply`, by one request. Raises ReplyCut."""
        sentences = Sentences(self._call().language or DEFAULT_LANGUAGE)
        question = replace(question, on_step=self._clock.on_step, on_usage=self._count)
        try:
            async with closing(self._reply_to(question)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, EndCall):
                        self._ends_call = True
                        break
                    if isinstance(piece, ToolCalls):
                        self._calls = piece.calls
                        break
                    if isinstance(piece, Failover):
                        self._failover = piece
                        continue
                    self._clock.on_text()
                    if isinstance(piece, Spoken):
                        self._speak(question.turn, piece)
                        continue
                    self._say(question.turn, sentences.feed(piece))
        except ReplyCut:
            raise
        except ServiceError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its contract: a defect, and for the caller the same as a model that failed.
            _log.exception("agent adapter raised", extra={"call_id": question.call, "turn": question.turn})
            return type(error).__name__
        self._say(question.turn, sentences.flush())
        has_said = not self._is_first or question.said or self._ends_call or self._calls or _has_spoken(question)
        return "" if has_said else "the reply has no text"

    def _count(self, usage: Usage) -> None:
        """A reply may take several requests: what each has cost is added up."""
        if usage.prompt and not usage.is_estimate:
            so_far = self._tokens or ModelTokens(prompt=0, reply=0)
            prompt, reply = so_far.prompt + usage.prompt, so_far.reply + max(0, usage.tokens - usage.prompt)
            self._tokens = ModelTokens(prompt=prompt, reply=reply)

    def _reply_to(self, question: Question) -> AsyncIterator[ReplyPiece]:
        self._taken = self._early.take(question) if self._early is not None else None
        if self._taken is not None:
            return self._taken.read()
        started = self._head_start.take(question) if self._head_start is not None else None
        if started is not None:
            self._clock = started.clock
            return started.read()
        reply = self._context.ports.on(self._call().route).agent.reply(question)
        return stream_timed(reply, "agent", "first-text")

    def _say(self, turn: int, sentences: list[str]) -> None:
        for sentence in sentences:
            if self._is_first and self._on_first_sentence is not None:
                self._on_first_sentence(sentence)
            saved_ms = self._taken.saved_ms if self._is_first and self._taken is not None else None
            self._is_first = False
            said = AgentSaid(turn=turn, text=sentence, saved_ms=saved_ms, failover=self._failover)
            self._failover = None
            self._said.append(sentence)
            self._report(self._clock.stamped(said))

    def _speak(self, turn: int, spoken: Spoken) -> None:
        """The agent speaks itself: report what it has said, which replaces what it had said of the same audio."""
        self._is_first = False
        self._said[-1 if spoken.item == self._item else len(self._said) :] = [spoken.text]
        self._item = spoken.item
        said = AgentSaid(
            turn=turn, text=spoken.text, item=spoken.item, audio_ms=spoken.audio_ms, failover=self._failover
        )
        self._failover = None
        self._report(self._clock.stamped(said))


def _has_spoken(question: Question) -> bool:
    """The agent has said something in this turn already, before it called a tool."""
    return any(use.turn == question.turn and use.wrote for use in question.uses)
