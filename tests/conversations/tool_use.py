"""Conversations in which the model calls tools: it ends the call, presses keys, asks, and uses slow ones."""

from typing import Any, Final

from tests.conversations.script import GREETING, Conversation, Expected, Whole, asks, hangs_up, hears, says
from tests.conversations.systems import HAND_OVERS
from voicecall.call.phrases import ENGLISH

__all__ = ["TOOLS"]

_FILLER: Final = Whole(ENGLISH.fillers[0])


def _calls(name: str, /, **arguments: Any) -> dict[str, Any]:
    """The model calls a tool, once per turn."""
    return {"tool_call": {"name": name, "arguments": arguments}}


def _tool(
    name: str, words: str, call: dict[str, Any], *heard: Expected, then: str, system: str = "alone", **more: Any
) -> Conversation:
    """The caller says something for which the model calls a tool; it answers when that has its result."""
    return Conversation(
        name=f"tool {name}",
        system=system,
        steps=(hears(GREETING), *asks(f"please {words}", then.split(maxsplit=1)[1].rstrip(".")), hangs_up()),
        heard=(Whole(GREETING), *heard, Whole(then)),
        turns=(f"please {words}",),
        replies={f"please {words}": call, words: then},
        **more,
    )


def _handed_over(system: str) -> Conversation:
    """The caller hears whom they are connected with, and speaks with them; then the call is over."""
    return Conversation(
        name=f"tool transfer on {system}",
        system=system,
        steps=(hears(GREETING), says("get me a free person")),
        heard=(Whole(GREETING), Whole("I am connecting you now.")),
        turns=("get me a free person",),
        replies={"a free person": {"reply": "I am connecting you now.", **_calls("transfer_call", to="free")}},
        ends="bot",
    )


def _refused(system: str) -> Conversation:
    """No one takes the call: the caller comes back to the agent."""
    return _tool(
        f"transfer to one who is busy on {system}",
        "get me your busy boss",
        _calls("transfer_call", to="busy"),
        _FILLER,
        then="My boss is on another line.",
        system=system,
        within_ms=3500,
    )


TOOLS: Final = (
    Conversation(
        name="tool end call",
        system="alone",
        steps=(hears(GREETING), says("that was all I wanted")),
        heard=(Whole(GREETING), Whole("Have a pleasant evening.")),
        turns=("that was all I wanted",),
        replies={"all I wanted": _calls("end_call", farewell="Have a pleasant evening.")},
        ends="bot",
        is_short=True,
    ),
    _tool(
        "note",
        "write down four guests",
        _calls("note", name="guests", value=4),
        then="Four guests are noted.",
    ),
    _tool(
        "slow",
        "book the slow table",
        _calls("slow", table="slow"),
        _FILLER,
        then="Your table is booked now.",
        within_ms=4500,
        is_short=True,
    ),
    _tool(
        "failing",
        "book the broken table",
        _calls("broken"),
        then="The kitchen does not answer.",
        is_bad_day=True,
        is_short=True,
    ),
    _tool(
        "hostile",
        "book the hostile table",
        _calls("hostile"),
        then="That table is not free.",
        is_bad_day=True,
    ),
    _tool(
        "huge",
        "book the huge table",
        _calls("huge"),
        then="A huge table is free.",
        is_bad_day=True,
    ),
    _tool(
        "ask owner",
        "move it to nine o'clock",
        _calls("ask_owner", question="Is nine fine?"),
        Whole(ENGLISH.asking_owner),
        then="Nine o'clock is fine.",
        owner="Yes, nine is fine.",
        is_short=True,
    ),
    *(_handed_over(system) for system in HAND_OVERS),
    *(_refused(system) for system in HAND_OVERS),
    _tool(
        "keys",
        "press one and two",
        _calls("send_dtmf", digits="12"),
        then="Both keys were pressed.",
        system="together",
        keys="12",
        within_ms=3500,
    ),
)
