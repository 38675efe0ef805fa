"""The brief of a call: its purpose and limits, for the agent that holds it.

The gateway validates briefs by this type; the client, the tool and the CLI build them. Knows no prompt: the agents
decide how a brief is put to a model.
"""

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from voicecall.api.absent import without_absent
from voicecall.call import brief as call_brief

__all__ = ["LONGEST_BRIEF", "Brief"]

LONGEST_BRIEF: Final = 8000
"""Characters of all fields together."""

_Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


def _list(value: Any) -> Any:
    """A sentence alone is a list of one; null and "" count as left out."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    return tuple(each for each in value if each is not None and each != "")


_Sentences = Annotated[tuple[_Sentence, ...], Field(max_length=20, strict=False), BeforeValidator(_list)]


class Brief(BaseModel):
    """Raises pydantic's ValidationError for an unknown field and for a text or list over its limit."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    task: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)] = Field(
        description="The purpose of the call, as an instruction to the agent."
    )
    context: Annotated[str, StringConstraints(max_length=4000)] = Field(
        default="", description="Background for the agent."
    )
    language: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="The language to speak, as a name or a BCP 47 tag."
    )
    identity: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="Who the agent says it is, and on whose behalf it calls."
    )
    disclosures: _Sentences = Field(default=(), description="What the agent must disclose to the remote party.")
    approvals: _Sentences = Field(
        default=(), description="What the agent may agree to. To anything else it says that it must ask first."
    )
    voicemail_message: Annotated[str, StringConstraints(max_length=1000)] = Field(
        default="", description="What to say to an answering machine."
    )
    success_criteria: _Sentences = Field(default=(), description="When the call has achieved its purpose.")
    max_duration_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        default=None, description="The longest the call may last; the configured maximum still applies."
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, values: Any) -> Any:
        return without_absent(values)

    @model_validator(mode="after")
    def _check_total_length(self) -> Self:
        if self.characters > LONGEST_BRIEF:
            message = "is {characters} characters long in all; 8000 are allowed"
            raise PydanticCustomError("brief-length", message, {"characters": self.characters})
        return self

    @property
    def characters(self) -> int:
        texts = (self.task, self.context, self.language, self.identity, self.voicemail_message)
        lists = (self.disclosures, self.approvals, self.success_criteria)
        return sum(map(len, texts)) + sum(len(text) for texts in lists for text in texts)

    def for_call(self) -> call_brief.CallBrief:
        """The part that is stored with the call; the voicemail message and the duration become its policy."""
        return call_brief.CallBrief(
            task=self.task,
            context=self.context.strip(),
            language=self.language.strip(),
            identity=self.identity.strip(),
            disclosures=self.disclosures,
            approvals=self.approvals,
            success_criteria=self.success_criteria,
        )
