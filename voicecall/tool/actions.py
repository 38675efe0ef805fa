"""The actions of the tool `voice_call`: one type per action, and the descriptions and JSON Schemas made from them.

`schema()` is the union of the actions, each with its own parameters. `flat_schema()` is one object with all parameters,
for models and protocols that accept no union at the top. `read` validates by the types, whichever schema a model was
given. The MCP server and `voicecall tool` use them.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from voicecall.api.absent import without_absent
from voicecall.api.brief import Brief
from voicecall.api.limits import LONGEST_STEER
from voicecall.api.params import ReportRequest

__all__ = [
    "ACTIONS",
    "NAME",
    "SUMMARY",
    "Action",
    "AnswerQuestion",
    "BadParameters",
    "ContinueCall",
    "EndCall",
    "GetReport",
    "GetStatus",
    "InitiateCall",
    "LegacyAction",
    "SendDtmf",
    "SpeakToUser",
    "SteerCall",
    "description",
    "flat_schema",
    "object_in",
    "read",
    "schema",
]

NAME: Final = "voice_call"
SUMMARY: Final = (
    "Phone people: place a call, converse on it turn by turn, press keys, hang up, query its status."
    " A call rings a real telephone and costs money; place it only when the user wants it."
)


class BadParameters(Exception):
    """The parameters are invalid; the message names each wrong one."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("required", "required")
    return text


_Text = Annotated[str, AfterValidator(_not_blank)]
_Hint = Annotated[str, StringConstraints(max_length=LONGEST_STEER), AfterValidator(_not_blank)]
_CallId = Annotated[_Text, Field(description="The id that initiate_call returned.")]
_To = Annotated[
    str | None, Field(description="The number to dial, E.164, as in +15550001234. Default: the configured number.")
]
_Mode = Annotated[
    Literal["notify", "conversation"] | None,
    Field(description="notify: say it and hang up. conversation: stay on the line. Default: as configured."),
]


class _Parameters(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, values: Any) -> Any:
        return without_absent(values)


class InitiateCall(_Parameters):
    """Place a call."""

    action: Literal["initiate_call"]
    message: _Text = Field(description="What is said when the call is answered.")
    to: _To = None
    mode: _Mode = None
    dtmf_sequence: str | None = Field(default=None, description="Keys to press first: 0-9 * # and pauses w W p P ,")
    brief: Brief | None = Field(default=None, description="The purpose of the call, for the agent that holds it.")
    report: ReportRequest | None = Field(default=None, description="What get_report is to return beside the facts.")


class ContinueCall(_Parameters):
    """Say something on a live call and wait for the person's answer."""

    action: Literal["continue_call"]
    call_id: _CallId
    message: _Text = Field(description="What to say.")


class SpeakToUser(_Parameters):
    """Say something on a live call, without waiting for an answer."""

    action: Literal["speak_to_user"]
    call_id: _CallId
    message: _Text = Field(description="What to say.")


class SteerCall(_Parameters):
    """Give the agent that holds a live call a hint, which the person does not hear."""

    action: Literal["steer_call"]
    call_id: _CallId
    message: _Hint = Field(description="The hint, the question, or the text.")
    mode: Literal["guidance", "say", "ask"] | None = Field(
        default=None,
        description=(
            "guidance (the default): a hint to the agent. say: its voice says it. ask: it asks the person, and the"
            " answer is returned."
        ),
    )
    interrupt: bool | None = Field(default=None, description="With say: at once, in place of what is being said.")


class SendDtmf(_Parameters):
    """Press keys on a live call."""

    action: Literal["send_dtmf"]
    call_id: _CallId
    digits: _Text = Field(description="Keys: 0-9 * # and pauses w W p P ,")


class AnswerQuestion(_Parameters):
    """Answer a question that the agent on a live call asks you; `get_status` shows it as `question`."""

    action: Literal["answer_question"]
    call_id: _CallId
    answer: _Text = Field(description="The answer.")


class EndCall(_Parameters):
    """Hang up."""

    action: Literal["end_call"]
    call_id: _CallId


class GetStatus(_Parameters):
    """Return the state and the transcript of a call."""

    action: Literal["get_status"]
    call_id: _CallId


class GetReport(_Parameters):
    """Return what came of a call that has ended; waits for it while the call lasts."""

    action: Literal["get_report"]
    call_id: _CallId
    wait_ms: Annotated[int, Field(ge=0, le=600_000)] = Field(
        default=60_000, description="How long to wait for the report, in milliseconds."
    )


class LegacyAction(_Parameters):
    """The older parameters, without an action."""

    mode: Literal["call", "status"] | None = Field(default=None, description="call (the default), or status.")
    to: str | None = Field(default=None, description="For a call: the number to dial.")
    sid: str | None = Field(default=None, description="For a status: the id of the call, or the carrier's id of it.")
    message: str | None = Field(default=None, description="For a call: what is said when it is answered.")


Action = (
    InitiateCall
    | ContinueCall
    | SpeakToUser
    | SteerCall
    | SendDtmf
    | AnswerQuestion
    | EndCall
    | GetStatus
    | GetReport
    | LegacyAction
)

_SHAPES: Final[Mapping[str, type[Action]]] = {
    "initiate_call": InitiateCall,
    "continue_call": ContinueCall,
    "speak_to_user": SpeakToUser,
    "end_call": EndCall,
    "get_status": GetStatus,
    "send_dtmf": SendDtmf,
    "steer_call": SteerCall,
    "get_report": GetReport,
    "answer_question": AnswerQuestion,
}
ACTIONS: Final = tuple(_SHAPES)


def read(parameters: Mapping[str, Any]) -> Action:
    """The action with its validated parameters; null and blank ones count as left out. Raises BadParameters."""
    parameters = without_absent(parameters)
    for name in ("brief", "report"):
        if name in parameters:
            parameters = without_absent({**parameters, name: object_in(parameters[name])})
    if "action" not in parameters:
        shape: type[Action] = LegacyAction
    else:
        name = parameters["action"]
        found = _SHAPES.get(name) if isinstance(name, str) else None
        if found is None:
            raise BadParameters(f"action: there is no such action; the actions are {', '.join(ACTIONS)}")
        shape = found
    try:
        return shape.model_validate(dict(parameters))
    except ValidationError as error:
        raise BadParameters(_sentence(error)) from error


def object_in(written: Any) -> Any:
    """The object that a model wrote as JSON text; anything else unchanged."""
    try:
        found = json.loads(written) if isinstance(written, str) else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else written


def schema() -> dict[str, Any]:
    """The union: one object per action, and one for the older parameters."""
    return {"type": "object", "anyOf": [_object(shape) for shape in (*_SHAPES.values(), LegacyAction)]}


def description() -> str:
    """The actions, one sentence each."""
    return " ".join(f"{action}: {_doc(shape)}" for action, shape in _SHAPES.items())


def flat_schema() -> dict[str, Any]:
    """One object: the action and the parameters of all actions, each described with the actions that take it."""
    properties: dict[str, Any] = {}
    taken_by: dict[str, list[str]] = {}
    for action, shape in _SHAPES.items():
        one = _object(shape)
        for name, parameter in one["properties"].items():
            if name != "action":
                properties[name] = _either(properties.get(name), parameter)
                taken_by.setdefault(name, []).append(action if name in one["required"] else f"{action} (optional)")
    for name, parameter in properties.items():
        parameter["description"] = f"{parameter.get('description', '')} For {', '.join(taken_by[name])}.".strip()
    action_schema: dict[str, Any] = {"type": "string", "enum": list(ACTIONS), "description": description()}
    return {
        "type": "object",
        "properties": {"action": action_schema, **properties},
        "required": ["action"],
        "additionalProperties": False,
    }


def _either(known: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    """One parameter of two actions: the values of either, where each has its own."""
    if known is None or "enum" not in known or known["enum"] == other.get("enum"):
        return dict(other if known is None else known)
    both = f"{known.get('description', '')} {other.get('description', '')}".strip()
    return {**known, "enum": [*known["enum"], *other.get("enum", ())], "description": both}


def _object(shape: type[BaseModel]) -> dict[str, Any]:
    """The schema without references and titles, because not every model provider resolves `$ref`."""
    generated = shape.model_json_schema(by_alias=True)
    definitions = generated.pop("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return plain(definitions[part["$ref"].rpartition("/")[2]] | {k: v for k, v in part.items() if k != "$ref"})
        # An optional parameter is left out of the required ones; that it may be null is of no use to a model.
        if "anyOf" in part and (some := [one for one in part["anyOf"] if one != {"type": "null"}]) != part["anyOf"]:
            rest = {k: v for k, v in part.items() if k not in {"anyOf", "default", "title"}}
            return plain((some[0] if len(some) == 1 else {"anyOf": some}) | rest)
        return {
            k: {name: plain(one) for name, one in v.items()} if k == "properties" else plain(v)
            for k, v in part.items()
            if k != "title"
        }

    flat: dict[str, Any] = plain(generated)
    flat.setdefault("required", [])
    return flat


def _doc(shape: type[BaseModel]) -> str:
    return " ".join((shape.__doc__ or "").split())


def _sentence(error: ValidationError) -> str:
    sentences = []
    for problem in error.errors(include_url=False, include_input=False):
        path = ".".join(str(step) for step in problem["loc"]) or "parameters"
        if problem["type"] in {"missing", "required"}:
            sentences.append(f"{path} required")
        elif problem["type"] == "extra_forbidden":
            sentences.append(f"{path}: there is no such parameter for this action; leave it out")
        else:
            sentences.append(f"{path}: {problem['msg']}")
    return "; ".join(sentences)
