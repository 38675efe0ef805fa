"""The question that an `AskAgent` puts to the agent: the conversation as the committed state has it. Pure."""

from voicecall.call import tools
from voicecall.call.effects import AskAgent
from voicecall.call.phrases import AUTO
from voicecall.call.state import Call, Direction, Party, TranscriptEntry
from voicecall.ports import Hint, Question, TurnText

__all__ = ["question_of"]


def question_of(call: Call, ask: AskAgent, epoch: int = 0) -> Question:
    """The conversation up to the caller's newest transcript; the agent's side holds what the caller *heard* of it.

    A reply that asks an operator's question unprompted follows all that was said before it.
    """
    steered = call.steering.question
    unprompted = steered is not None and steered.unprompted and steered.turn == ask.turn
    before = tuple(line for line in call.transcript if line.turn != ask.turn)
    lines = before if unprompted else _up_to_the_caller(call.transcript)
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
        history=tuple(TurnText(speaker=line.speaker, text=line.text) for line in lines),
        said=ask.said,
        brief=call.brief,
        language="" if call.policy.language == AUTO else call.policy.language,
        hints=tuple(
            Hint(text=given.text, asks=given.asks, is_new=given.turn in (None, ask.turn))
            for given in call.steering.guidance
        ),
        offered=tools.offered(call, ask.turn),
        uses=call.tools.uses,
    )


def _up_to_the_caller(lines: tuple[TranscriptEntry, ...]) -> tuple[TranscriptEntry, ...]:
    for end in range(len(lines), 0, -1):
        if lines[end - 1].speaker is Party.USER:
            return lines[:end]
    return lines
