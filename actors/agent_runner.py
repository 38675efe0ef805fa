"""Asks the agent for the reply to a turn and reports it sentence by sentence.

Run by the agent lane. Knows the role `Agent` and where a sentence ends. `decide` judges whether a reply is still
wanted; here a request is only started, reported and cancelled.
"""

import logging
import time
from collections.abc import Callable

from actors.context import ActorContext, Report
from actors.metering import effect_counted, stream_timed
from voicecall.aio import closing
from voicecall.call.effects import AskAgent
from voicecall.call.events import AgentDone, AgentFailed, AgentSaid
from voicecall.call.phrases import AUTO, DEFAULT_LANGUAGE
from voicecall.call.state import Call, Direction, Party, TranscriptEntry
from voicecall.errors import ServiceError
from voicecall.ports import EndCall, Question, TurnText
from voicecall.speech.sentences import Sentences

__all__ = ["AgentRunner", "question_of"]

_log = logging.getLogger(__name__)


class AgentRunner:
    """Runs one request at a time. `call` gives the committed state.

    `on_first_sentence` is called with the first sentence of each reply before it is reported, so that TTS may start.
    """

    def __init__(
        self,
        context: ActorContext,
        call: Callable[[], Call],
        report: Report,
        on_first_sentence: Callable[[str], None] | None = None,
        *,
        epoch: int = 0,
    ) -> None:
        self._context = context
        self._call = call
        self._report = report
        self._on_first_sentence = on_first_sentence
        self._epoch = epoch
        self._is_first = True  # no sentence of this reply is reported yet
        self._first_text_ms: int | None = None  # of this reply, while it is not reported
        self._ends_call = False  # with this reply

    async def run(self, ask: AskAgent) -> None:
        """Report `AgentSaid` per sentence, then `AgentDone` or `AgentFailed`. Reports nothing when cancelled."""
        question = question_of(self._call(), ask, self._epoch)
        with effect_counted(ask) as result:
            reason = await self._reply(question)
            if not reason:
                self._report(AgentDone(turn=ask.turn, ends_call=self._ends_call))
                return
            result.value = "failed"
            _log.warning("agent failed", extra={"call_id": question.call, "turn": ask.turn, "reason": reason})
            self._report(AgentFailed(turn=ask.turn, reason=reason))

    async def _reply(self, question: Question) -> str:
        """Report the sentences of the reply; why it failed, "" when it is complete."""
        sentences = Sentences(self._call().language or DEFAULT_LANGUAGE)
        self._is_first, self._first_text_ms, self._ends_call = True, None, False
        started: float | None = time.monotonic()
        try:
            reply = self._context.ports.on(self._call().route).agent.reply(question)
            async with closing(stream_timed(reply, "agent", "first-text")) as pieces:
                async for piece in pieces:
                    if isinstance(piece, EndCall):
                        self._ends_call = True
                        break
                    if started is not None:
                        self._first_text_ms, started = round((time.monotonic() - started) * 1000), None
                    self._say(question.turn, sentences.feed(piece))
        except ServiceError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its contract: a defect, and for the caller the same as a model that failed.
            _log.exception("agent adapter raised", extra={"call_id": question.call, "turn": question.turn})
            return type(error).__name__
        self._say(question.turn, sentences.flush())
        has_said = not self._is_first or question.said or self._ends_call
        return "" if has_said else "the reply has no text"

    def _say(self, turn: int, sentences: list[str]) -> None:
        for sentence in sentences:
            if self._is_first and self._on_first_sentence is not None:
                self._on_first_sentence(sentence)
            self._is_first = False
            self._report(AgentSaid(turn=turn, text=sentence, first_text_ms=self._first_text_ms))
            self._first_text_ms = None


def question_of(call: Call, ask: AskAgent, epoch: int = 0) -> Question:
    """The conversation up to the caller's newest transcript; the agent's side holds what the caller *heard* of it."""
    inbound = call.direction is Direction.INBOUND
    return Question(
        call=call.id,
        turn=ask.turn,
        epoch=epoch,
        caller=call.from_ if inbound else call.to,
        direction=call.direction,
        number_verified=call.caller_verified if inbound else True,
        session_key=call.session_key,
        agent_id=call.agent_id,
        history=tuple(TurnText(speaker=line.speaker, text=line.text) for line in _up_to_the_caller(call.transcript)),
        said=ask.said,
        brief=call.brief,
        language="" if call.policy.language == AUTO else call.policy.language,
    )


def _up_to_the_caller(lines: tuple[TranscriptEntry, ...]) -> tuple[TranscriptEntry, ...]:
    for end in range(len(lines), 0, -1):
        if lines[end - 1].speaker is Party.USER:
            return lines[:end]
    return lines
