"""The built-in tools as a model sees them. What they do is in `voicecall/call/tools.py`. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from voicecall.call.tools import ASK_OWNER, END_CALL, NOTE, SEND_DTMF, TRANSFER_CALL
from voicecall.ports import ToolSpec
from voicecall.settings import TransferTo

__all__ = ["BUILT_IN", "transfer_to"]


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _spec(name: str, description: str, /, *, required: tuple[str, ...], **properties: dict[str, Any]) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ToolSpec(name=name, description=description, parameters=schema)


BUILT_IN: Final = (
    _spec(
        END_CALL,
        "Hang up, once the conversation is over for both sides. The other party hears your farewell to its end first.",
        required=("farewell",),
        farewell=_text("Your last words. Empty when you have said goodbye in this reply already."),
    ),
    _spec(
        NOTE,
        "Write down a fact for the report of this call, such as a name, a date, or what was agreed. The other party "
        "does not hear it. A second note of the same name replaces the first.",
        required=("name", "value"),
        name=_text("What it is, in a word or two."),
        value=_text("The fact."),
    ),
    _spec(
        SEND_DTMF,
        "Press keys of the phone, as in a phone menu.",
        required=("digits",),
        digits=_text("The keys: 0-9 * # A-D; w is a pause of half a second."),
    ),
    _spec(
        ASK_OWNER,
        "Ask the one on whose behalf you are calling, when you need a decision or a fact that only they have. It takes "
        "up to a minute; the other party is asked to wait.",
        required=("question",),
        question=_text("The question, complete in itself."),
    ),
)
"""In the order in which they are offered."""


def transfer_to(people: Mapping[str, TransferTo]) -> tuple[ToolSpec, ...]:
    """The tool that hands the caller over to one of these; none where there is no one."""
    if not people:
        return ()
    about = "; ".join(f"{name}: {each.description}" for name, each in people.items() if each.description)
    spec = _spec(
        TRANSFER_CALL,
        "Hand the other party over to a person, who takes the call from then on. Say first whom you are calling. If no "
        "one takes it, the other party comes back to you.",
        required=("to",),
        to={"type": "string", "enum": list(people), "description": about or "To whom."},
    )
    return (spec,)
