"""Requests as Twilio makes them, signed by Twilio's own SDK: the oracle of the tests beside this file."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # it ships no types

from voicecall.carriers.twilio.codec import Codec
from voicecall.ports import WebhookRequest

ACCOUNT = "AC" + "1f" * 16
TOKEN = "0123456789abcdef0123456789abcdef"
LEG = "CA" + "a0" * 16
CALL = "6f1c2f7e-3b7a-4c1e-9a55-0d9f3a1b2c3d"
URL = "https://calls.example.com/voice/webhook"
FORM = "application/x-www-form-urlencoded"

VOICE = {
    "CallSid": LEG,
    "AccountSid": ACCOUNT,
    "From": "+15550001111",
    "To": "+15550002222",
    "CallStatus": "ringing",
    "ApiVersion": "2010-04-01",
    "Direction": "inbound",
}


def codec(**changes: Any) -> Codec:
    return Codec(**{"account_sid": ACCOUNT, "auth_tokens": (TOKEN,), **changes})


def signature(url: str, fields: Mapping[str, str], token: str = TOKEN) -> str:
    """What the official SDK computes."""
    return str(RequestValidator(token).compute_signature(url, dict(fields)))


def signed(fields: Mapping[str, str], *, url: str = URL, token: str = TOKEN) -> WebhookRequest:
    return raw(urlencode(fields).encode(), url=url, signature=signature(url, fields, token))


def raw(body: bytes, *, url: str = URL, signature: str = "", content_type: str = FORM) -> WebhookRequest:
    headers = {"content-type": content_type, "x-twilio-signature": signature}
    return WebhookRequest(method="POST", url=url, headers=headers, body=body)


def voice(**changes: str) -> dict[str, str]:
    """An inbound call's first request; a change to the empty string removes the field."""
    return {name: value for name, value in {**VOICE, **changes}.items() if value}
