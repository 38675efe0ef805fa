"""The language of calls, and what the bot says by itself in place of the built-in phrases."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from voicecall.call.phrases import AUTO
from voicecall.manifests.fields import Block, Text, Texts

__all__ = ["AUTO", "Language", "OwnPhrases"]

_TAG: Final = rf"^({AUTO}|[A-Za-z]{{2,3}}([-_][A-Za-z0-9]{{2,8}})*)$"


def _language(tag: str) -> str:
    if re.fullmatch(_TAG, tag) is None:
        raise PydanticCustomError("language", "is no language tag; write one as in en-US, de or ja, or auto")
    return tag


Language = Annotated[str, AfterValidator(_language), WithJsonSchema({"type": "string", "pattern": _TAG})]


class OwnPhrases(Block):
    """Replace what the bot says by itself. A phrase that is left out is the built-in one of the call's language."""

    fillers: Texts = ()
    """While the agent takes long: one of these, never the same twice in a row."""
    agent_failed: Text | None = None
    """The agent has no answer; asks the caller to repeat."""
    stt_lost: Text | None = None
    """Speech recognition broke off and will return."""
    stt_recovered: Text | None = None
    """Speech recognition is back."""
    stt_failed: Text | None = None
    """Speech recognition is gone for good; the call ends."""
    not_caught: Text | None = None
    """Speech was lost; asks the caller to repeat."""
    cut_off: Text | None = None
    """Said before a text that is repeated."""
    goodbye: Text | None = None
    """After two failures in a row; the call ends."""
    voice_failed: Text | None = None
    """What was due cannot be spoken."""
    still_there: Text | None = None
    """The caller has been silent for long."""
    silence_goodbye: Text | None = None
    """The caller stayed silent; the call ends."""
    asking_owner: Text | None = None
    """The agent asks who placed the call; the caller waits."""
    recorded: Text | None = None
    """Said before the greeting: the call is recorded."""
    may_record: Text | None = None
    """Asked before the greeting: whether the call may be recorded; a yes or the key 1 agrees."""

    @property
    def given(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The phrases that are set, by field."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return tuple((name, value if isinstance(value, tuple) else (value,)) for name, value in values.items() if value)

    def with_own(self, own: "OwnPhrases | None") -> "OwnPhrases":
        """These, with every phrase that `own` sets."""
        return self if own is None else self.model_copy(update={n: getattr(own, n) for n, _ in own.given})
