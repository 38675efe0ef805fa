"""Requests as Plivo makes them, signed by the functions of Plivo's own SDK, for the tests beside this file."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from plivo.utils.signature_v3 import (  # type: ignore[import-untyped]  # it ships no types
    construct_get_url,
    construct_post_url,
    get_signature_v3,
)

from voicecall.carriers.plivo.codec import Codec
from voicecall.ports import WebhookRequest

TOKEN = "Y2Q2ZDgxZmY5YWRiOTI5YmQ1Njg0MTAxZWIyOTc4"
AUTH_ID = "MAXXXXXXXXXXXXXXXXXX"
NONCE = "31627761595286130198"
LEG = "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36"
CALL = "6f1c2f7e-3b7a-4c1e-9a55-0d9f3a1b2c3d"
URL = "https://calls.example.com/voice/webhook"
FORM = "application/x-www-form-urlencoded"

VOICE = {
    "CallUUID": LEG,
    "From": "15550001111",
    "To": "15550002222",
    "Direction": "inbound",
    "CallStatus": "ringing",
    "Event": "StartApp",
}


def codec(**changes: Any) -> Codec:
    return Codec(**{"auth_tokens": (TOKEN,), **changes})


def signature(url: str, fields: Mapping[str, str] | None, *, token: str = TOKEN, nonce: str = NONCE) -> str:
    """What the official SDK computes; a GET has no fields but its query."""
    written = construct_get_url(url, {}) if fields is None else construct_post_url(url, dict(fields))
    return str(get_signature_v3(token.encode(), written.decode(), nonce.encode()).decode())


def signed(fields: Mapping[str, str], *, url: str = URL, token: str = TOKEN, nonce: str = NONCE) -> WebhookRequest:
    mark = signature(url, fields, token=token, nonce=nonce)
    return raw(urlencode(fields).encode(), url=url, signature=mark, nonce=nonce)


def raw(
    body: bytes,
    *,
    url: str = URL,
    signature: str = "",
    nonce: str = NONCE,
    content_type: str = FORM,
    method: str = "POST",
) -> WebhookRequest:
    headers = {
        "content-type": content_type,
        "x-plivo-signature-v3": signature,
        "x-plivo-signature-v3-nonce": nonce,
    }
    return WebhookRequest(method=method, url=url, headers=headers, body=body)


def voice(**changes: str) -> dict[str, str]:
    """An inbound call's first request; a change to the empty string removes the field."""
    return {name: value for name, value in {**VOICE, **changes}.items() if value}
