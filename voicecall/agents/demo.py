"""An agent without a model: a restaurant, for trying calls. Chosen by `responseModel: "demo"`.

`restaurant` has what it says; here it is said as a model would: a word at a time, and sometimes late. The same callers'
words always get the same reply.
"""

import asyncio
from collections.abc import AsyncGenerator

from voicecall.agents.restaurant import answers
from voicecall.call.state import Party
from voicecall.ports import Agent, EndCall, Question

__all__ = ["DemoAgent"]


class DemoAgent(Agent):
    """`word_s`: seconds between two words; `thinking_s`: before a reply for which it has to ask in the kitchen."""

    def __init__(self, *, word_s: float = 0.03, thinking_s: float = 6.0) -> None:
        self._word_s = word_s
        self._thinking_s = thinking_s

    async def reply(self, question: Question) -> AsyncGenerator[str | EndCall]:
        said = [line.text for line in question.history if line.speaker is Party.USER]
        answer = answers(said)[-1] if said else None
        if answer is None:
            return
        if answer.takes_time and not question.said:
            await asyncio.sleep(self._thinking_s)
        text, heard = " ".join(answer.sentences), " ".join(question.said)
        for word in text.removeprefix(heard).split():
            yield f"{word} "
            await asyncio.sleep(self._word_s)
        if answer.ends_call:
            yield EndCall()

    async def close(self) -> None:
        """Nothing to close."""
