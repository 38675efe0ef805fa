"""The parameters of the gateway's methods: strict types, no unknown keys, ids of an exact form.

The gateway validates every request by them before it acts; the documents are generated from them. They check form only:
the services check lengths, numbers and policy.
"""

import re
from typing import Annotated, Any, ClassVar, Final, Literal, LiteralString, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from voicecall.api.absent import without_absent
from voicecall.api.brief import Brief
from voicecall.api.limits import KEYS, LONGEST_KEY, LONGEST_MESSAGE, LONGEST_STEER
from voicecall.api.steering import SteerMode
from voicecall.call.events import EndReason, Mode
from voicecall.call.ids import E164, CallId, is_call_id
from voicecall.call.json_schema import problem_of
from voicecall.call.numbers import NotANumber, read_number

__all__ = [
    "AnswerParams",
    "CallbackAddParams",
    "CallbackCancelParams",
    "CallbacksParams",
    "ContinueParams",
    "ContinueResultParams",
    "DeadParams",
    "DoctorParams",
    "DtmfParams",
    "EndParams",
    "EventsParams",
    "ForgetParams",
    "HistoryParams",
    "InitiateParams",
    "LatencyParams",
    "Params",
    "ProcessesParams",
    "RecordingParams",
    "RegisterParams",
    "ReportParams",
    "ReportRequest",
    "SpeakParams",
    "StartParams",
    "StatusParams",
    "SteerParams",
    "SubscribeParams",
    "UnsubscribeParams",
]

_SID: Final = r"^[A-Za-z0-9:_.=+/-]{1,256}$"
_FEED_ID: Final = r"^[0-9]{1,19}-[0-9]{1,19}$"
_OPERATION: Final = r"^[A-Za-z0-9_-]{43}$"
_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_CURSOR: Final = r"^[0-9]{1,15}-[0-9a-f-]{36}$"
_NAME: Final = r"^[A-Za-z0-9._-]{1,64}$"


def _call_id(text: str) -> str:
    if not is_call_id(text):
        raise PydanticCustomError("call-id", "is not a call id; ids are lower-case UUIDs as given by initiate")
    return text


def _matching(pattern: str, kind: str, complaint: LiteralString) -> AfterValidator:
    """Text of exactly this form; unlike `$`, `fullmatch` refuses a trailing newline."""
    form = re.compile(pattern.removeprefix("^").removesuffix("$"), re.ASCII)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise PydanticCustomError(kind, complaint)
        return text

    return AfterValidator(check)


def _documented(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("required", "required")
    return text


def _number(text: str) -> E164:
    try:
        return read_number(text)
    except NotANumber as why:
        raise PydanticCustomError("e164", "is not an E.164 number: {why}", {"why": str(why)}) from why


_CallId = Annotated[CallId, AfterValidator(_call_id), _documented(_UUID)]
_Sid = Annotated[str, _matching(_SID, "sid", "is not an id of a carrier"), _documented(_SID)]
_FeedId = Annotated[str, _matching(_FEED_ID, "feed-id", "is not the id of a feed item"), _documented(_FEED_ID)]
_Operation = Annotated[
    str,
    _matching(_OPERATION, "operation", "is not an id of an operation, as given by continue.start"),
    _documented(_OPERATION),
]
_Name = Annotated[
    str,
    _matching(_NAME, "name", "is not a name: 1 to 64 letters, digits, dots, dashes and underscores"),
    _documented(_NAME),
]
_Text = Annotated[
    str,
    AfterValidator(_not_blank),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_MESSAGE}),
]
_Hint = Annotated[str, StringConstraints(max_length=LONGEST_STEER), AfterValidator(_not_blank)]
_SteerMode = Annotated[SteerMode, Strict(strict=False)]
_Message = Annotated[str, WithJsonSchema({"type": "string", "maxLength": LONGEST_MESSAGE})]
_Key = Annotated[str, WithJsonSchema({"type": "string", "maxLength": LONGEST_KEY})]
_Number = Annotated[str, _documented("^\\+[1-9][0-9]{1,14}$")]
_E164 = Annotated[E164, AfterValidator(_number), _documented("^\\+[1-9][0-9]{1,14}$")]
_Cursor = Annotated[str, _matching(_CURSOR, "cursor", "is not the `next` of an earlier page"), _documented(_CURSOR)]
_AgentName = Annotated[str, StringConstraints(pattern=_NAME)]
_Ms = Annotated[int, Field(ge=0, le=100_000_000_000_000)]
_Question = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_ToolName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Keys = Annotated[str, _documented(f"^{KEYS}$")]
_Mode = Annotated[Mode, Strict(strict=False)]
_EndReason = Annotated[EndReason, Strict(strict=False)]


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    problem = problem_of(value)
    if problem:
        raise PydanticCustomError("report-schema", "{problem}", {"problem": problem})
    return value


class Params(BaseModel):
    """The parameters of a method. Null counts as left out, and so does a blank text.

    `blank_matters`: parameters whose blank value is validated instead, because leaving them out asks for more, as a
    filter does, or protects less, as a key does.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )
    blank_matters: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, values: Any) -> Any:
        return without_absent(values, cls.blank_matters)


class ReportRequest(BaseModel):
    """What the report of a call is to say beside its facts."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    form: Annotated[dict[str, Any], AfterValidator(_schema)] = Field(
        alias="schema", description="JSON Schema of the report's `data`, which a model fills from what was heard."
    )


class _CallOptions(Params):
    blank_matters = frozenset({"idempotencyKey"})

    mode: _Mode | None = Field(
        default=None, description="notify: speak the message, then hang up. Default: `outbound.defaultMode`."
    )
    session_key: _Key = Field(default="", description="The agent's session that holds this call.")
    requester_session_key: _Key = Field(default="", description="The session on whose behalf the call is placed.")
    dtmf_sequence: _Keys | None = Field(
        default=None, description="Keys pressed after the answer, before the message; in conversations only."
    )
    brief: Brief | None = Field(default=None, description="The purpose of the call, for its agent.")
    report: ReportRequest | None = Field(default=None, description="What its report is to say beside its facts.")
    tools: Annotated[tuple[_ToolName, ...], Strict(strict=False), Field(max_length=64)] | None = Field(
        default=None, description="Which of the configured tools its agent may call. Default: all."
    )
    idempotency_key: _Key | None = Field(default=None, description="At most one phone call is placed per key and day.")


class InitiateParams(_CallOptions):
    message: _Text = Field(description="What is said first.")
    to: _Number | None = Field(default=None, description="The number to dial. Default: `toNumber`.")


class StartParams(_CallOptions):
    """The older name of `initiate`: the number is required, the message is optional."""

    to: _Number
    message: _Message = ""


class SpeakParams(Params):
    call_id: _CallId
    message: _Text


class ContinueParams(SpeakParams):
    pass


class SteerParams(Params):
    call_id: _CallId
    message: _Hint = Field(description="The hint, the question, or the text.")
    mode: _SteerMode = Field(
        default=SteerMode.GUIDANCE,
        description=(
            "guidance: a hint to the agent, which the caller does not hear. say: the agent's voice says it."
            " ask: the agent asks the caller, and the answer is returned."
        ),
    )
    interrupt: bool = Field(default=False, description="With `say`: at once, in place of what is being said.")

    @field_validator("interrupt")
    @classmethod
    def _only_say_interrupts(cls, interrupt: bool, read: ValidationInfo) -> bool:
        if interrupt and read.data.get("mode", SteerMode.SAY) is not SteerMode.SAY:
            raise PydanticCustomError("interrupt", "goes with the mode say only; leave it out")
        return interrupt


class ContinueResultParams(Params):
    operation_id: _Operation


class EndParams(Params):
    call_id: _CallId


class DtmfParams(Params):
    call_id: _CallId
    digits: _Keys


class AnswerParams(Params):
    call_id: _CallId
    answer: _Text = Field(description="The answer to the agent's question.")
    question_id: _Question | None = Field(
        default=None, description="Which question, as the record names it. Default: the one that waits."
    )


class StatusParams(Params):
    blank_matters = frozenset({"callId", "sid"})

    call_id: _CallId | None = Field(default=None, description="The id that `initiate` returned.")
    sid: _Sid | None = Field(default=None, description="The carrier's id of the call.")
    transcripts: bool = Field(default=True, description="Include the transcripts.")


class HistoryParams(Params):
    """Filters of the archive. Times are epoch milliseconds of a call's start."""

    blank_matters = frozenset({"number", "direction", "outcome", "cursor"})

    number: _E164 | None = Field(default=None, description="Calls to or from exactly this number.")
    direction: Literal["inbound", "outbound"] | None = None
    since: _Ms | None = Field(default=None, description="Started at this time or later.")
    until: _Ms | None = Field(default=None, description="Started before this time.")
    outcome: _EndReason | None = Field(default=None, description="Ended for this reason.")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: _Cursor | None = Field(default=None, description="The `next` of the previous page.")
    transcripts: bool = Field(default=False, description="Include the transcripts.")


class EventsParams(Params):
    """A page of a call's log."""

    call_id: _CallId
    after: Annotated[int, Field(ge=0, le=2**53)] = Field(default=0, description="The `next` of the previous page.")
    limit: Annotated[int, Field(ge=1, le=1000)] = 500


class ProcessesParams(Params):
    pass


class DoctorParams(Params):
    pass


class DeadParams(Params):
    last: Annotated[int, Field(ge=1, le=1000)] = Field(default=50, description="The number of newest letters.")


class LatencyParams(Params):
    last: Annotated[int, Field(ge=1, le=10_000)] = Field(default=200, description="The number of newest calls.")


class ForgetParams(Params):
    """Exactly one of the two."""

    blank_matters = frozenset({"callId", "number"})

    call_id: _CallId | None = Field(default=None, description="This call.")
    number: _E164 | None = Field(default=None, description="Every call to or from this number.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.call_id is None) == (self.number is None):
            raise PydanticCustomError("one", "callId or number is required, and not both")
        return self


class ReportParams(Params):
    call_id: _CallId
    wait_ms: Annotated[int, Field(ge=0, le=600_000)] = Field(
        default=0, description="How long to wait for a report that is not made yet."
    )


class CallbacksParams(Params):
    """The call-backs that wait, or were over within a week."""


class CallbackAddParams(Params):
    """A call to be placed later, at most once."""

    blank_matters = frozenset({"idempotencyKey"})

    to: _Number
    message: _Text = Field(description="What is said first.")
    at: _Ms | None = Field(default=None, description="When; default: now. Quiet hours of the number are left out.")
    brief: Brief | None = Field(default=None, description="The purpose of the call, for its agent.")
    call_id: _CallId | None = Field(default=None, description="The call on which it was promised.")
    idempotency_key: _Key | None = Field(default=None, description="One call-back for each key.")


class CallbackCancelParams(Params):
    callback_id: _Name


class RecordingParams(Params):
    call_id: _CallId = Field(description="The call.")


class SubscribeParams(Params):
    """`since`: the id of the last item received. `last`: the number of newest items to begin with.

    `subscription` names one of several subscriptions of a socket; a new one replaces the older one of its name. `view`:
    every event, or with `live` the newest lines of live calls, now and then.
    """

    blank_matters = frozenset({"callId", "since"})

    subscription: _Name = "feed"
    view: Literal["events", "live"] = "events"
    since: _FeedId | None = None
    last: Annotated[int, Field(ge=0, le=1000)] = 0
    call_id: _CallId | None = None


class UnsubscribeParams(Params):
    subscription: _Name = "feed"


class RegisterParams(Params):
    """Registers the socket as an agent host. Without `agents` it serves any agent."""

    name: _AgentName
    agents: Annotated[tuple[_AgentName, ...], Field(max_length=64, strict=False)] = ()
