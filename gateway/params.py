"""What each method may be asked, checked before anything is done: strict, nothing unknown, ids that are ids.

Used by `rpc`. Words are compared with what calls accept by the desk; here only shapes are.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from voicecall.call.events import Mode
from voicecall.call.ids import CallId, is_call_id

__all__ = ["Continue", "Dtmf", "End", "Initiate", "Params", "Speak", "Start", "Status", "Subscribe"]

_SID: Final = re.compile(r"[A-Za-z0-9:_.=+/-]{1,256}\Z")
_FEED_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}\Z")


def _call_id(text: str) -> str:
    if not is_call_id(text):
        raise PydanticCustomError("call-id", "is not a call id; ids are lower-case UUIDs as given by initiate")
    return text


def _sid(text: str) -> str:
    if _SID.match(text) is None:
        raise PydanticCustomError("sid", "is not an id of a carrier")
    return text


def _feed_id(text: str) -> str:
    if _FEED_ID.match(text) is None:
        raise PydanticCustomError("feed-id", "is not the id of a feed item")
    return text


def _words(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("required", "required")
    return text


_CallId = Annotated[CallId, AfterValidator(_call_id)]
_Words = Annotated[str, AfterValidator(_words)]


class Params(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


class Initiate(Params):
    message: _Words
    to: str | None = None
    mode: Annotated[Mode, Strict(strict=False)] | None = None
    session_key: str = ""
    idempotency_key: str | None = None


class Start(Params):
    """The older name of `Initiate`: the number is required, the message is not."""

    to: str
    message: str = ""
    mode: Annotated[Mode, Strict(strict=False)] | None = None
    session_key: str = ""
    idempotency_key: str | None = None


class Speak(Params):
    call_id: _CallId
    message: _Words


class Continue(Speak):
    pass


class End(Params):
    call_id: _CallId


class Dtmf(Params):
    call_id: _CallId
    digits: str


class Status(Params):
    call_id: _CallId | None = None
    sid: Annotated[str, AfterValidator(_sid)] | None = None


class Subscribe(Params):
    """`since`: the id of the last item seen; `last`: how many of the newest to begin with."""

    since: Annotated[str, AfterValidator(_feed_id)] | None = None
    last: Annotated[int, Field(ge=0, le=1000)] = 0
    call_id: _CallId | None = None
