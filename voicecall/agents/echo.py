"""An agent that repeats what the caller said, for trying a call without a model. Chosen by `responseModel: "echo"`."""

from collections.abc import AsyncIterator

from voicecall.call.state import Party
from voicecall.ports import Agent, Question

__all__ = ["EchoAgent"]


class EchoAgent(Agent):
    """Stateless."""

    is_discardable = True

    async def reply(self, question: Question) -> AsyncIterator[str]:
        newest = next((line.text for line in reversed(question.history) if line.speaker is Party.USER), "")
        if newest:
            yield f"You said: {newest.rstrip('.')}."

    async def close(self) -> None:
        """Nothing to close."""
