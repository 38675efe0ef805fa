"""Reads and checks the JSON of REST requests. Pure; raises Refusal with `{code, message}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simulators.mock.native_speech import Prompt
from simulators.phone.rest import Refusal as AnyRefusal

__all__ = [
    "DialRequest",
    "Fields",
    "Refusal",
    "TransferRequest",
    "digits_from",
    "prompt_from",
    "read_dial",
    "transfer_from",
]

Fields = Mapping[str, Any]
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_DIGITS = re.compile(r"[0-9*#A-D]{1,64}")
_LONGEST_TEXT = 4000


class Refusal(AnyRefusal):
    """The mock carrier refuses a request."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, {"code": code, "message": message})


@dataclass(frozen=True)
class DialRequest:
    """An outbound call as ordered."""

    call: str
    effect: str
    to: str
    from_: str
    ring_timeout_s: float
    time_limit_s: float
    webhook_url: str
    detects: bool


def read_dial(fields: Fields) -> DialRequest:
    """The order in a dial. Raises Refusal."""
    for name in ("to", "from"):
        if not _E164.fullmatch(_text(fields, name)):
            raise Refusal(422, "bad-number", f"{name} is not a phone number such as +15550001111")
    url = _text(fields, "webhookUrl")
    if urlsplit(url).scheme not in ("http", "https"):
        raise Refusal(422, "bad-url", "webhookUrl is not an http(s) address")
    return DialRequest(
        call=_text(fields, "call"),
        effect=_text(fields, "effect"),
        to=fields["to"],
        from_=fields["from"],
        ring_timeout_s=_seconds(fields, "ringTimeoutS"),
        time_limit_s=_seconds(fields, "timeLimitS"),
        webhook_url=url,
        detects=_flag(fields, "detectMachine", missing=False),
    )


def prompt_from(fields: Fields) -> Prompt:
    """The text to speak. Raises Refusal."""
    utterance, listens = fields.get("utterance"), _flag(fields, "listens")
    if type(utterance) is not int:
        raise Refusal(422, "bad-field", "utterance must be a number")
    text = _text(fields, "text")
    if len(text) > _LONGEST_TEXT:
        raise Refusal(422, "bad-field", f"text: at most {_LONGEST_TEXT} characters")
    return Prompt(text, listens=listens, utterance=utterance, turn_token=_text(fields, "turnToken", may_be_empty=True))


def digits_from(fields: Fields) -> str:
    """The keys to press. Raises Refusal."""
    digits = _text(fields, "digits")
    if not _DIGITS.fullmatch(digits):
        raise Refusal(422, "bad-digits", "digits are 1 to 64 of 0-9 * # A-D")
    return digits


@dataclass(frozen=True)
class TransferRequest:
    """To whom a leg is connected. `effect`: the customer's name of the order."""

    to: str
    from_: str
    ring_timeout_s: float
    effect: str


def transfer_from(fields: Fields) -> TransferRequest:
    """The order. Raises Refusal."""
    for name in ("to", "from"):
        if not _E164.fullmatch(_text(fields, name)):
            raise Refusal(422, "bad-number", f"{name} is not a phone number such as +15550001111")
    return TransferRequest(fields["to"], fields["from"], _seconds(fields, "ringTimeoutS"), _text(fields, "effect"))


def _text(fields: Fields, name: str, *, may_be_empty: bool = False) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not (value or may_be_empty):
        raise Refusal(422, "bad-field", f"{name} must be a text")
    return value


def _flag(fields: Fields, name: str, *, missing: bool | None = None) -> bool:
    value = fields.get(name, missing)
    if not isinstance(value, bool):
        raise Refusal(422, "bad-field", f"{name} must be true or false")
    return value


def _seconds(fields: Fields, name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        raise Refusal(422, "bad-field", f"{name} must be seconds, at most a day")
    return float(value)
