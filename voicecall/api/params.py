"""What each method may be asked, checked before anything is done: strict, nothing unknown, ids that are ids.

Used by `rpc`. Words are compared with what calls accept by the desk; here only shapes are.
"""

import re
from typing import Annotated, Final, Literal, LiteralString, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from voicecall.api.brief import Brief
from voicecall.api.limits import KEYS, LONGEST_KEY, LONGEST_MESSAGE
from voicecall.call.events import Mode
from voicecall.call.ids import E164, CallId, is_call_id

__all__ = [
    "Continue",
    "ContinueResult",
    "Dtmf",
    "End",
    "Forget",
    "History",
    "Initiate",
    "Latency",
    "Params",
    "Speak",
    "Start",
    "Status",
    "Subscribe",
    "Unsubscribe",
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
    """Text of one form. A newline at its end is no part of any form, whatever `$` says elsewhere."""
    form = re.compile(pattern.removeprefix("^").removesuffix("$"), re.ASCII)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise PydanticCustomError(kind, complaint)
        return text

    return AfterValidator(check)


def _shown(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


def _words(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("required", "required")
    return text


_CallId = Annotated[CallId, AfterValidator(_call_id), _shown(_UUID)]
_Sid = Annotated[str, _matching(_SID, "sid", "is not an id of a carrier"), _shown(_SID)]
_FeedId = Annotated[str, _matching(_FEED_ID, "feed-id", "is not the id of a feed item"), _shown(_FEED_ID)]
_Operation = Annotated[
    str,
    _matching(_OPERATION, "operation", "is not an id of an operation, as given by continue.start"),
    _shown(_OPERATION),
]
_Name = Annotated[
    str,
    _matching(_NAME, "name", "is not a name: 1 to 64 letters, digits, dots, dashes and underscores"),
    _shown(_NAME),
]
_Words = Annotated[
    str,
    AfterValidator(_words),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_MESSAGE}),
]
_Message = Annotated[str, WithJsonSchema({"type": "string", "maxLength": LONGEST_MESSAGE})]
_Key = Annotated[str, WithJsonSchema({"type": "string", "maxLength": LONGEST_KEY})]
_Number = Annotated[str, _shown("^\\+[1-9][0-9]{1,14}$")]
_E164 = Annotated[
    E164,
    _matching(r"^\+[1-9][0-9]{1,14}$", "e164", "is not an E.164 number: write + and 2 to 15 digits, without spaces"),
    _shown("^\\+[1-9][0-9]{1,14}$"),
]
_Cursor = Annotated[str, _matching(_CURSOR, "cursor", "is not the `next` of an earlier page"), _shown(_CURSOR)]
_Ms = Annotated[int, Field(ge=0, le=100_000_000_000_000)]
_Keys = Annotated[str, _shown(f"^{KEYS}$")]
_Mode = Annotated[Mode, Strict(strict=False)]


class Params(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


class _Placing(Params):
    mode: _Mode | None = Field(default=None, description="Only tell, or talk; else `outbound.defaultMode`.")
    session_key: _Key = Field(default="", description="The agent's session that holds this call.")
    requester_session_key: _Key = Field(default="", description="The session of whoever wants this call.")
    dtmf_sequence: _Keys | None = Field(
        default=None, description="Keys pressed when answered, before anything is said; in conversations only."
    )
    brief: Brief | None = Field(default=None, description="What the call is for, told to its agent.")
    idempotency_key: _Key | None = Field(default=None, description="At most one phone call is made per key and day.")


class Initiate(_Placing):
    message: _Words = Field(description="What is said first.")
    to: _Number | None = Field(default=None, description="Whom to call; else `toNumber`.")


class Start(_Placing):
    """The older name of `Initiate`: the number is required, the message is not."""

    to: _Number
    message: _Message = ""


class Speak(Params):
    call_id: _CallId
    message: _Words


class Continue(Speak):
    pass


class ContinueResult(Params):
    operation_id: _Operation


class End(Params):
    call_id: _CallId


class Dtmf(Params):
    call_id: _CallId
    digits: _Keys


class Status(Params):
    call_id: _CallId | None = Field(default=None, description="Our id of the call.")
    sid: _Sid | None = Field(default=None, description="The carrier's id of it.")


class History(Params):
    """Calls that are over and archived. Times are epoch milliseconds of a call's start."""

    number: _E164 | None = Field(default=None, description="Exactly this number, at either end.")
    direction: Literal["inbound", "outbound"] | None = None
    since: _Ms | None = Field(default=None, description="Began at this time or later.")
    until: _Ms | None = Field(default=None, description="Began before this time.")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: _Cursor | None = Field(default=None, description="The `next` of the page before.")
    transcripts: bool = Field(default=False, description="With what was said.")


class Latency(Params):
    last: Annotated[int, Field(ge=1, le=10_000)] = Field(default=200, description="The turns of so many newest calls.")


class Forget(Params):
    """One of the two."""

    call_id: _CallId | None = Field(default=None, description="This call.")
    number: _E164 | None = Field(default=None, description="Every call to or from this number.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.call_id is None) == (self.number is None):
            raise PydanticCustomError("one", "callId or number is required, and not both")
        return self


class Subscribe(Params):
    """`since`: the id of the last item seen; `last`: how many of the newest to begin with.

    Several subscriptions of one socket are told apart by `subscription`; the newest of a name replaces the one before.
    """

    subscription: _Name = "feed"
    since: _FeedId | None = None
    last: Annotated[int, Field(ge=0, le=1000)] = 0
    call_id: _CallId | None = None


class Unsubscribe(Params):
    subscription: _Name = "feed"
