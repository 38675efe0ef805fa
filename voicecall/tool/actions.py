"""What an agent may ask of `voice_call`: one type per action, and the JSON Schemas made from them (behaviour 10.3).

Two schemas of the same thing. `schema()` is the documented union, exact about which action wants what. `flat_schema()`
is for models and protocols that accept only one object without a union at the top: all parameters side by side, the
action required. Whatever was promised to a model, `read` decides.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from voicecall.client import Brief

__all__ = [
    "ACTIONS",
    "NAME",
    "SUMMARY",
    "Action",
    "BadParameters",
    "ContinueCall",
    "EndCall",
    "GetStatus",
    "InitiateCall",
    "Older",
    "SendDtmf",
    "SpeakToUser",
    "flat_schema",
    "read",
    "schema",
]

NAME: Final = "voice_call"
SUMMARY: Final = (
    "Call people on the phone: place a call, talk on it turn by turn, press keys, hang up, look at it."
    " A call costs money and rings somebody; place it only when that is wanted."
)


class BadParameters(Exception):
    """The parameters fit no action; the message says which one and why."""


def _words(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("required", "required")
    return text


_Words = Annotated[str, AfterValidator(_words)]
_CallId = Annotated[_Words, Field(description="The id that initiate_call gave.")]
_To = Annotated[
    str | None, Field(description="Whom to call, E.164, as in +15550001234; without it, the configured number.")
]
_Mode = Annotated[
    Literal["notify", "conversation"] | None,
    Field(description="notify: say it and hang up. conversation: stay on the line. Without it, as configured."),
]


class _Parameters(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class InitiateCall(_Parameters):
    """Place a call."""

    action: Literal["initiate_call"]
    message: _Words = Field(description="What is said when the call is answered.")
    to: _To = None
    mode: _Mode = None
    dtmf_sequence: str | None = Field(default=None, description="Keys to press first: 0-9 * # and pauses w W p P ,")
    brief: Brief | None = Field(default=None, description="What the call is for, told to the agent that holds it.")


class ContinueCall(_Parameters):
    """Say something on a live call and wait for the answer."""

    action: Literal["continue_call"]
    call_id: _CallId
    message: _Words = Field(description="What to say.")


class SpeakToUser(_Parameters):
    """Say something on a live call, without waiting for an answer."""

    action: Literal["speak_to_user"]
    call_id: _CallId
    message: _Words = Field(description="What to say.")


class SendDtmf(_Parameters):
    """Press keys on a live call."""

    action: Literal["send_dtmf"]
    call_id: _CallId
    digits: _Words = Field(description="Keys: 0-9 * # and pauses w W p P ,")


class EndCall(_Parameters):
    """Hang up."""

    action: Literal["end_call"]
    call_id: _CallId


class GetStatus(_Parameters):
    """Look at a call: its state and its transcript."""

    action: Literal["get_status"]
    call_id: _CallId


class Older(_Parameters):
    """The older shape, without an action."""

    mode: Literal["call", "status"] | None = Field(default=None, description="call (without it too), or status.")
    to: str | None = Field(default=None, description="For a call: whom.")
    sid: str | None = Field(default=None, description="For a status: the id of the call, ours or the carrier's.")
    message: str | None = Field(default=None, description="For a call: what is said when it is answered.")


Action = InitiateCall | ContinueCall | SpeakToUser | SendDtmf | EndCall | GetStatus | Older

_SHAPES: Final[Mapping[str, type[Action]]] = {
    "initiate_call": InitiateCall,
    "continue_call": ContinueCall,
    "speak_to_user": SpeakToUser,
    "end_call": EndCall,
    "get_status": GetStatus,
    "send_dtmf": SendDtmf,
}
ACTIONS: Final = tuple(_SHAPES)


def read(parameters: Mapping[str, Any]) -> Action:
    """The action that is asked for. Raises BadParameters."""
    if "action" not in parameters:
        shape: type[Action] = Older
    else:
        named = parameters["action"]
        found = _SHAPES.get(named) if isinstance(named, str) else None
        if found is None:
            raise BadParameters(f"action: there is no such action; there are {', '.join(ACTIONS)}")
        shape = found
    try:
        return shape.model_validate(dict(parameters))
    except ValidationError as error:
        raise BadParameters(_sentence(error)) from error


def schema() -> dict[str, Any]:
    """Every action as its own object, and the older shape: the documented union."""
    return {"type": "object", "anyOf": [_object(shape) for shape in (*_SHAPES.values(), Older)]}


def flat_schema() -> dict[str, Any]:
    """One object: the action, and the parameters of all actions, each telling which actions want it."""
    properties: dict[str, Any] = {}
    wanted: dict[str, list[str]] = {}
    for action, shape in _SHAPES.items():
        one = _object(shape)
        for name, told in one["properties"].items():
            if name != "action":
                properties.setdefault(name, dict(told))
                wanted.setdefault(name, []).append(action if name in one["required"] else f"{action} (optional)")
    for name, told in properties.items():
        told["description"] = f"{told.get('description', '')} For {', '.join(wanted[name])}.".strip()
    what = " ".join(f"{action}: {_doc(shape)}" for action, shape in _SHAPES.items())
    which: dict[str, Any] = {"type": "string", "enum": list(ACTIONS), "description": what}
    return {
        "type": "object",
        "properties": {"action": which, **properties},
        "required": ["action"],
        "additionalProperties": False,
    }


def _object(shape: type[BaseModel]) -> dict[str, Any]:
    """An object without references and titles: not every model provider follows `$ref`."""
    made = shape.model_json_schema(by_alias=True)
    known = made.pop("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return plain(known[part["$ref"].rpartition("/")[2]] | {k: v for k, v in part.items() if k != "$ref"})
        # A name may be left out; that it may also be null is nothing a model needs to know.
        if "anyOf" in part and (some := [one for one in part["anyOf"] if one != {"type": "null"}]) != part["anyOf"]:
            rest = {k: v for k, v in part.items() if k not in {"anyOf", "default", "title"}}
            return plain((some[0] if len(some) == 1 else {"anyOf": some}) | rest)
        return {
            k: {name: plain(one) for name, one in v.items()} if k == "properties" else plain(v)
            for k, v in part.items()
            if k != "title"
        }

    flat: dict[str, Any] = plain(made)
    flat.setdefault("required", [])
    return flat


def _doc(shape: type[BaseModel]) -> str:
    return " ".join((shape.__doc__ or "").split())


def _sentence(error: ValidationError) -> str:
    told = []
    for problem in error.errors(include_url=False, include_input=False):
        path = ".".join(str(step) for step in problem["loc"]) or "parameters"
        if problem["type"] in {"missing", "required"}:
            told.append(f"{path} required")
        elif problem["type"] == "extra_forbidden":
            told.append(f"{path}: there is no such parameter for this action; leave it out")
        else:
            told.append(f"{path}: {problem['msg']}")
    return "; ".join(told)
