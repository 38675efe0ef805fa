"""What the reply to an event asks of the exchange: one JSON object whose `do` is the verb (docs/adding-a-carrier.md).

Pure. Used by `leg`.
"""

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
    """The reply is no instruction. The message says what is wrong with it, without repeating it."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Open media sockets with the tokens of each round, a second between two rounds; then ask at `resume_url`."""

    stream_url: str
    call: str
    rounds: tuple[tuple[str, ...], ...]
    resume_url: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at `resume_url` in so many seconds."""

    seconds: float
    resume_url: str


@dataclass(frozen=True, slots=True)
class Converse:
    """Speak the text, if there is one, in the phone's own voice, and listen."""

    text: str
    heard_url: str
    said_url: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Do not answer. `reason`: "busy" or "rejected"."""

    reason: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Go on as before."""


Instruction = Connect | Wait | Converse | Reject | HangUp | Nothing


def read_instruction(body: bytes) -> Instruction:
    """The instruction in a reply. Raises BadInstruction."""
    try:
        said = orjson.loads(body)
        return _read(said["do"], said)
    except orjson.JSONDecodeError:
        raise BadInstruction("the reply is not JSON") from None
    except (KeyError, TypeError, ValueError) as error:
        raise BadInstruction(f"{type(error).__name__}: {str(error)[:80]}") from None


def _read(verb: object, said: dict[str, Any]) -> Instruction:
    match verb:
        case "connect":
            first, *later = _rounds(said)
            rounds = ((_text(said, "token"), *first), *later)
            return Connect(_url(said, "streamUrl", "ws"), _text(said, "callId"), rounds, _url(said, "resumeUrl"))
        case "wait":
            return Wait(float(said["seconds"]), _url(said, "resumeUrl"))
        case "converse":
            return Converse(_text(said, "text"), _url(said, "heardUrl"), _url(said, "silentUrl"))
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


def _rounds(said: dict[str, Any]) -> list[tuple[str, ...]]:
    """The further tokens, round by round; one empty round when there are none."""
    rounds = [tuple(tokens) for tokens in said.get("rounds") or [[]]]
    if not all(isinstance(token, str) for tokens in rounds for token in tokens):
        raise TypeError("rounds are no lists of texts")
    return rounds


def _url(said: dict[str, Any], name: str, scheme: str = "http") -> str:
    url = _text(said, name)
    if urlsplit(url).scheme not in {scheme, f"{scheme}s"}:
        raise ValueError(f"{name} is no {scheme} address")
    return url
