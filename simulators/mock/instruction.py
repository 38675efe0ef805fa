"""The instruction in a reply to an event: one JSON object whose `do` is the verb. Pure."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

__all__ = [
    "BadInstruction",
    "Connect",
    "Converse",
    "HangUp",
    "Instruction",
    "Nothing",
    "Reject",
    "Wait",
    "read_instruction",
]


class BadInstruction(Exception):
    """The reply is none of the six instructions."""


@dataclass(frozen=True)
class Connect:
    """Open a media socket; when it is lost or refused, the next one; after the last ask again at `resume_url`.

    `rounds`: the tokens of the sockets; there is a pause between two rounds.
    """

    stream_url: str
    call: str
    rounds: list[list[str]]
    resume_url: str


@dataclass(frozen=True)
class Wait:
    """Wait so many seconds, then ask at `resume_url`."""

    seconds: float
    resume_url: str


@dataclass(frozen=True)
class Converse:
    """Speak the text, if there is one, and listen."""

    text: str
    heard_url: str
    silent_url: str


@dataclass(frozen=True)
class Reject:
    """Do not pick up."""

    reason: str


@dataclass(frozen=True)
class HangUp:
    """End the call."""


@dataclass(frozen=True)
class Nothing:
    """Continue without a change."""


Instruction = Connect | Wait | Converse | Reject | HangUp | Nothing


def read_instruction(body: bytes) -> Instruction:
    """The instruction in a reply. Raises BadInstruction."""
    try:
        said = orjson.loads(body)
        return _read(said["do"], said)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
        raise BadInstruction(f"{body[:100]!r}: {fault!r}") from fault


def _read(verb: str, said: dict[str, Any]) -> Instruction:
    match verb:
        case "connect":
            resume_url = _url(said, "resumeUrl", "http")
            first, *later = _rounds(said)
            rounds = [[_text(said, "token"), *first], *later]
            return Connect(_url(said, "streamUrl", "ws"), _text(said, "callId"), rounds, resume_url)
        case "wait":
            return Wait(float(said["seconds"]), _url(said, "resumeUrl", "http"))
        case "converse":
            return Converse(_text(said, "text"), _url(said, "heardUrl", "http"), _url(said, "silentUrl", "http"))
        case "reject" if said["reason"] in ("busy", "rejected"):
            return Reject(said["reason"])
        case "hangup":
            return HangUp()
        case "nothing":
            return Nothing()
        case _:
            raise ValueError("no such verb")


def _text(said: dict[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _rounds(said: dict[str, Any]) -> list[list[str]]:
    """The further tokens, list by list; one empty list when there are none."""
    rounds = said.get("rounds") or [[]]
    if not all(isinstance(token, str) for tokens in rounds for token in tokens):
        raise TypeError("rounds are no lists of texts")
    return rounds


def _url(said: dict[str, Any], name: str, kind: str) -> str:
    url = _text(said, name)
    if urlsplit(url).scheme not in (kind, f"{kind}s"):
        raise ValueError(f"{name} is no {kind} address")
    return url
