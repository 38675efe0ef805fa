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
    """Open a media socket; when it is lost or refused, the next one, and after the last ask again at `resume_url`."""

    stream_url: str
    call: str
    tokens: tuple[str, ...]
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
            tokens = (_text(said, "token"), *_texts(said, "nextTokens"))
            return Connect(_url(said, "streamUrl", "ws"), _text(said, "callId"), tokens, resume_url)
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


def _texts(said: dict[str, Any], name: str) -> list[str]:
    """A list of texts; none when it is missing."""
    values = said.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is no list of texts")
    return values


def _url(said: dict[str, Any], name: str, kind: str) -> str:
    url = _text(said, name)
    if urlsplit(url).scheme not in (kind, f"{kind}s"):
        raise ValueError(f"{name} is no {kind} address")
    return url
