"""The call's mind is elsewhere: ask the agent, and pass its words on sentence by sentence as they are found.

Knows the role `Agent` and where a sentence ends. Whether a reply is still wanted is for `decide` to say; here a
search is only begun, reported and cancelled.
"""

import logging
from collections.abc import Callable

from actors.context import ActorContext, Report
from actors.streams import closing
from voicecall.call.effects import AskAgent
from voicecall.call.events import AgentDone, AgentFailed, AgentSaid
from voicecall.call.state import Call, Direction, Speaker, TranscriptEntry
from voicecall.errors import ServiceError
from voicecall.ports import Question, TurnText
from voicecall.speech.sentences import Sentences

__all__ = ["AgentRunner", "question_of"]

_log = logging.getLogger(__name__)


class AgentRunner:
    """Finds the words for one turn at a time. `call` gives the committed state.

    `expect` is told the first sentence of each reply before it is reported: the voice may begin.
    """

    def __init__(
        self,
        context: ActorContext,
        call: Callable[[], Call],
        report: Report,
        expect: Callable[[str], None] | None = None,
        *,
        epoch: int = 0,
    ) -> None:
        self._context = context
        self._call = call
        self._report = report
        self._expect = expect
        self._epoch = epoch
        self._opening = True  # nothing of the reply was found yet

    async def find(self, ask: AskAgent) -> None:
        """Report `AgentSaid` per sentence, then `AgentDone` or `AgentFailed`. Cancelled, it reports nothing more."""
        question = question_of(self._call(), ask, self._epoch)
        sentences = Sentences()
        self._opening = True
        try:
            async with closing(self._context.ports.on(self._call().route).agent.reply(question)) as pieces:
                async for piece in pieces:
                    self._say(ask.turn, sentences.feed(piece))
        except ServiceError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its word: a bug of ours, and for the caller the same as a model that failed.
            _log.exception("agent broke", extra={"call_id": question.call, "turn": ask.turn})
            reason = type(error).__name__
        else:
            self._say(ask.turn, sentences.flush())
            self._report(AgentDone(turn=ask.turn))
            return
        _log.warning("agent failed", extra={"call_id": question.call, "turn": ask.turn, "reason": reason})
        self._report(AgentFailed(turn=ask.turn, reason=reason))

    def _say(self, turn: int, sentences: list[str]) -> None:
        for sentence in sentences:
            if self._opening and self._expect is not None:
                self._expect(sentence)
            self._opening = False
            self._report(AgentSaid(turn=turn, text=sentence))


def question_of(call: Call, ask: AskAgent, epoch: int = 0) -> Question:
    """The conversation up to the caller's newest words: what was *heard* of ours, and nothing said since."""
    inbound = call.direction is Direction.INBOUND
    return Question(
        call=call.id,
        turn=ask.turn,
        epoch=epoch,
        caller=call.from_ if inbound else call.to,
        session_key=call.session_key,
        agent_id=call.agent_id,
        history=tuple(TurnText(speaker=line.speaker, text=line.text) for line in _up_to_the_caller(call.transcript)),
        said=ask.said,
        brief=call.brief,
    )


def _up_to_the_caller(lines: tuple[TranscriptEntry, ...]) -> tuple[TranscriptEntry, ...]:
    for end in range(len(lines), 0, -1):
        if lines[end - 1].speaker is Speaker.USER:
            return lines[:end]
    return lines
