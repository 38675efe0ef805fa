"""What is sent to a model that speaks, and what it reports, whatever its protocol.

A service's module provides a `SpeakingWire`; `conversation.py` uses it. What it reports of the caller are the signals
of speech recognition (`speech/stt/link.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from voicecall.call.state import Party
from voicecall.speech.stt.link import Signal, Wire

__all__ = [
    "END_CALL",
    "EndAsked",
    "ReplyBegan",
    "ReplyEnded",
    "SaidAudio",
    "SaidText",
    "SpeakingSignal",
    "SpeakingWire",
    "is_of_reply",
]

END_CALL = "end_call"
"""The tool with which the model ends the call."""


@dataclass(frozen=True, slots=True)
class ReplyBegan:
    """A reply has begun. `tag`: of the request for it; "": the model replies by itself."""

    reply: str
    tag: str


@dataclass(frozen=True, slots=True)
class SaidText:
    """More of the words of an item of a reply."""

    reply: str
    item: str
    text: str


@dataclass(frozen=True, slots=True)
class SaidAudio:
    """More of its sound: mu-law, 8 kHz."""

    reply: str
    item: str
    mulaw: bytes


@dataclass(frozen=True, slots=True)
class EndAsked:
    """The model calls the tool that ends the call."""

    reply: str
    tool_call: str


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply is over. `failure`: why it is none, an identifier; "": it is complete, or was cancelled.

    `reply` is the name of the reply, or the tag of the request for one that never began.
    """

    reply: str
    failure: str = ""


SpeakingSignal: TypeAlias = ReplyBegan | SaidText | SaidAudio | EndAsked | ReplyEnded


def is_of_reply(signal: "Signal | SpeakingSignal") -> bool:
    """Whether it is about what the model says."""
    return isinstance(signal, ReplyBegan | SaidText | SaidAudio | EndAsked | ReplyEnded)


class SpeakingWire(Wire, Protocol):
    """A service's WebSocket protocol, without I/O, of one connection. `read` returns signals of both kinds.

    What the service has no message for is an empty sequence.
    """

    @property
    def longest_s(self) -> float:
        """How long a connection may last before the service ends it; it is renewed before."""
        ...

    def respond(self, tag: str, instructions: str | None) -> Sequence[str]:
        """Ask for a reply to what was said. `instructions` replace those of the session for this reply."""
        ...

    def cancel(self, reply: str) -> Sequence[str]:
        """Say no more of this reply."""
        ...

    def truncate(self, item: str, heard_ms: int) -> Sequence[str]:
        """So much of an item was heard, and no more."""
        ...

    def forget(self, item: str) -> Sequence[str]:
        """Nothing of an item was heard."""
        ...

    def add(self, party: Party, text: str) -> Sequence[str]:
        """This was said, and the model does not know it."""
        ...

    def tool_done(self, tool_call: str, output: str) -> Sequence[str]:
        """The result of a tool."""
        ...
