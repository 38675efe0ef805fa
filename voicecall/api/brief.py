"""The brief of a call: what it is for, told to the agent that will hold it (behaviour 12).

Used by programs that place calls, and by the gateway, which checks every brief by this very type. Knows no prompt: how
it is told to a model is the agent's affair.
"""

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

__all__ = ["LONGEST_BRIEF", "Brief"]

LONGEST_BRIEF: Final = 8000
"""Characters of all fields together."""

_Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


def _list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


_Sentences = Annotated[tuple[_Sentence, ...], Field(max_length=20, strict=False), BeforeValidator(_list)]


class Brief(BaseModel):
    """Raises pydantic's ValidationError for what is unknown or too long."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    task: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)] = Field(
        description="What the call is for, as an instruction to the agent."
    )
    context: Annotated[str, StringConstraints(max_length=4000)] = Field(
        default="", description="What the agent should know."
    )
    language: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="The language to speak, as a name or a BCP 47 tag."
    )
    identity: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="Who the agent says it is, and for whom it calls."
    )
    disclosures: _Sentences = Field(default=(), description="What the agent must tell the other party.")
    approvals: _Sentences = Field(
        default=(), description="What the agent may agree to; to everything else it says that it must ask first."
    )
    voicemail_message: Annotated[str, StringConstraints(max_length=1000)] = Field(
        default="", description="What to say to an answering machine."
    )
    success_criteria: _Sentences = Field(default=(), description="When the call has done what it was for.")
    max_duration_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        default=None, description="The call ends after this long; never later than the configuration says."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.characters > LONGEST_BRIEF:
            message = "is {characters} characters long in all; 8000 are allowed"
            raise PydanticCustomError("brief-length", message, {"characters": self.characters})
        return self

    @property
    def characters(self) -> int:
        texts = (self.task, self.context, self.language, self.identity, self.voicemail_message)
        lists = (self.disclosures, self.approvals, self.success_criteria)
        return sum(map(len, texts)) + sum(len(text) for texts in lists for text in texts)
