"""Identifiers: calls, legs, streams, nodes, requests, effects, phone numbers.

Pure. Used everywhere; knows nothing of where an id is stored. An id from outside is not trusted: it is checked with
`is_call_id` where it enters.
"""

import re
import uuid
from typing import Final, NewType

__all__ = [
    "E164",
    "NO_TURN",
    "CallId",
    "EffectId",
    "Epoch",
    "LegId",
    "NodeId",
    "RequestId",
    "Seq",
    "StreamId",
    "bound_token",
    "digits_of",
    "inbound_call_id",
    "is_call_id",
    "is_number",
    "numbered_token",
    "parse_e164",
    "token_number",
]

NO_TURN: Final = "none"
"""The turn token of speech heard while no `continue` was pending: it answers none that is requested later."""

CallId = NewType("CallId", str)
"""The id of a call: a UUID in canonical form."""

LegId = NewType("LegId", str)
"""The carrier's id of a leg: Twilio's CallSid, Telnyx's call_control_id, Plivo's CallUUID."""

StreamId = NewType("StreamId", str)
"""The carrier's id of one media socket."""

NodeId = NewType("NodeId", str)
"""One running process: `worker-3f9a…`, `ingress-0c11…`. A new id for each start."""

RequestId = NewType("RequestId", str)
"""One API request (RPC), 128 random bits: its answer carries it back. Also the turn token of a `continue`."""

EffectId = NewType("EffectId", str)
"""`<call id>.<n>`: the n-th effect this call requested. The same after a crash, because `n` is in the snapshot."""

Epoch = NewType("Epoch", int)
"""How often a call has been activated: the fencing token of its owner. Only grows."""

Seq = NewType("Seq", int)
"""Place of an event in its call's log: 1, 2, 3 … without gaps."""

E164 = NewType("E164", str)
"""A phone number as `+` and 2 to 15 digits."""

_E164 = re.compile(r"\+[1-9][0-9]{1,14}\Z")
_SCHEME = re.compile(r"\s*(?:sips?|tel):", re.IGNORECASE)
_AFTER = re.compile(r"[@;?].*", re.DOTALL)
_NO_DIGIT = re.compile("[^0-9]+")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_NUMBERED = re.compile(r"(.+)\.([0-9]{1,3})\Z")
_INBOUND = uuid.UUID("5b0a3d3e-6a52-5d3b-9c7e-2f1f6f1d7c11")


def digits_of(text: str) -> str:
    """The digits of a number however it is written: with or without `+` or 00, spaced, as `tel:` or `sip:` URI.

    For finding calls and routes by a number. Who may call in, and whose memory a call has, is decided on the exact text
    (`admission`, `sessions`): `sip:15550001234@elsewhere` has these digits and is another party.
    """
    digits = _NO_DIGIT.sub("", _AFTER.sub("", _SCHEME.sub("", text, count=1)))
    return digits.removeprefix("00")


def is_number(text: object, number: E164) -> bool:
    """Whether a carrier's text can mean this number; a name with the same digits in it ("sip:anna1555…") does not."""
    if not isinstance(text, str) or any(char.isalpha() for char in _AFTER.sub("", _SCHEME.sub("", text, count=1))):
        return False
    return digits_of(text) == number[1:]


def parse_e164(text: str) -> E164 | None:
    """The number, or None when the text is not exactly one E.164 number: no spaces, extensions or post-dial digits."""
    return E164(text) if _E164.match(text) else None


def is_call_id(text: str) -> bool:
    """True for a canonical lower-case UUID and nothing else."""
    return _UUID.match(text) is not None


def bound_token(token: str, leg: LegId) -> str:
    """What is stored for a stream token, without its number: the key binds it to its call, this text to its leg."""
    return f"{token} {leg}"


def numbered_token(token: str, number: int) -> str:
    """The token of one stream of a series: 0 for the first, then one for each reconnection."""
    return f"{token}.{number}"


def token_number(token: str) -> tuple[str, int | None]:
    """The reverse of `numbered_token`; the number is None for a token of one stream only."""
    found = _NUMBERED.match(token)
    return (found[1], int(found[2])) if found else (token, None)


def inbound_call_id(carrier: str, leg: LegId) -> CallId:
    """The call id of an inbound leg: derived, so that every ingress gives one leg the same id without coordination."""
    return CallId(str(uuid.uuid5(_INBOUND, f"{carrier}:{leg}")))
