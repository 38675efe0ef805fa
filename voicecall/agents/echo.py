"""An agent that says back what it heard, at once: the twin of `llm`, for trying a line without a model.

Chosen by `responseModel: "echo"`. Knows nothing.
"""

from collections.abc import AsyncIterator

from voicecall.call.state import Speaker
from voicecall.ports import Agent, Question

__all__ = ["Echo"]


class Echo(Agent):
    """Stateless."""

    async def reply(self, question: Question) -> AsyncIterator[str]:
        newest = next((line.text for line in reversed(question.history) if line.speaker is Speaker.USER), "")
        if newest:
            yield f"You said: {newest.rstrip('.')}."

    async def close(self) -> None:
        """Nothing to close."""
