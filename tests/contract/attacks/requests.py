"""Carriers' requests as raw bytes: signed as the carrier signs, with every detail replaceable by a forged one.

Twilio's signature is the simulator's, Plivo's and Telnyx's are their own SDKs'.
"""

import json
import time
import uuid
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from simulators.twilio.signature import sign
from tests.carriers import plivo_requests, telnyx_requests

__all__ = [
    "ACCOUNT",
    "CONFIG",
    "PLIVO",
    "TELNYX",
    "TOKEN",
    "URL",
    "Form",
    "form",
    "http_request",
    "new_leg",
    "plivo",
    "plivo_form",
    "telnyx",
    "telnyx_event",
    "twilio",
]

ACCOUNT = "AC" + "0" * 32
TOKEN = "throw-away"
URL = "https://calls.example/voice/webhook"
FORM = "application/x-www-form-urlencoded"

Form = Iterable[tuple[str, str]]

CONFIG: dict[str, Any] = {
    "provider": "twilio",
    "fromNumber": "+15550009999",
    "publicUrl": URL,
    "inboundPolicy": "open",
    "maxConcurrentCalls": 1000,
    "maxInboundCalls": 1000,
    "twilio": {"accountSid": ACCOUNT, "authToken": TOKEN},
    "streaming": {"enabled": True, "openaiApiKey": "k"},
    "tts": {"openai": {"apiKey": "k"}},
    "responseApiKey": "k",
}
TELNYX = {
    **CONFIG,
    "provider": "telnyx",
    "telnyx": {"apiKey": "k", "connectionId": "1", "publicKey": telnyx_requests.PUBLIC_KEY},
}
PLIVO = {
    **CONFIG,
    "provider": "plivo",
    "plivo": {"authId": plivo_requests.AUTH_ID, "authToken": plivo_requests.TOKEN},
}


def http_request(
    body: bytes,
    headers: Mapping[str, str | None],
    *,
    method: str = "POST",
    target: str = "/voice/webhook",
    content_type: str = FORM,
) -> bytes:
    """One HTTP request. A header of None is left out; surrogates stand for single bytes."""
    lines: dict[str, str | None] = {
        "Host": "calls.example",
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        **headers,
    }
    head = f"{method} {target} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return head.encode("utf-8", "surrogateescape") + b"\r\n" + body


# --- Twilio


def new_leg() -> str:
    return "CA" + uuid.uuid4().hex


def form(leg: str | None = None, **changes: str) -> dict[str, str]:
    """An inbound call's first request; a leg of its own when none is named."""
    return {
        "AccountSid": ACCOUNT,
        "CallSid": leg or new_leg(),
        "From": "+15550001234",
        "To": "+15550009999",
        "Direction": "inbound",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
        **changes,
    }


def twilio(
    fields: Mapping[str, str] | Form,
    *,
    query: str = "",
    signed_url: str = URL,
    token: str = TOKEN,
    sent: bytes | None = None,
    headers: Mapping[str, str | None] | None = None,
    **options: Any,
) -> bytes:
    """`fields` are what is signed; `sent` is the body, when that is another."""
    pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
    tail = f"?{query}" if query else ""
    mark = {"X-Twilio-Signature": sign(token, signed_url + tail, pairs)}
    body = urlencode(pairs).encode() if sent is None else sent
    return http_request(body, {**mark, **(headers or {})}, **{"target": "/voice/webhook" + tail, **options})


# --- Plivo


def plivo_form(**changes: str) -> dict[str, str]:
    return plivo_requests.voice(**{"CallUUID": str(uuid.uuid4()), **changes})


def plivo(
    fields: Mapping[str, str],
    *,
    query: str = "",
    signed_url: str = URL,
    signed_fields: Mapping[str, str] | None = None,
    signed_query: str | None = None,
    nonce: str | None = None,
    sent: bytes | None = None,
    headers: Mapping[str, str | None] | None = None,
    **options: Any,
) -> bytes:
    """`signed_*`: what is signed when it is not what is sent."""
    covered = query if signed_query is None else signed_query
    nonce = nonce or uuid.uuid4().hex
    url = f"{signed_url}?{covered}" if covered else signed_url
    mark = plivo_requests.signature(url, fields if signed_fields is None else signed_fields, nonce=nonce)
    own = {"X-Plivo-Signature-V3": mark, "X-Plivo-Signature-V3-Nonce": nonce}
    body = urlencode(fields).encode() if sent is None else sent
    tail = f"?{query}" if query else ""
    return http_request(body, {**own, **(headers or {})}, **{"target": "/voice/webhook" + tail, **options})


# --- Telnyx


def telnyx_event(kind: str = "call.initiated", **payload: Any) -> bytes:
    """An inbound call's first event, of a leg and with an id of its own."""
    own = {"call_control_id": f"v3:{uuid.uuid4().hex}", "direction": "incoming", "client_state": None, **payload}
    event = telnyx_requests.event(kind, **own)
    event["data"]["id"] = str(uuid.uuid4())
    return json.dumps(event).encode()


def telnyx(
    body: bytes,
    *,
    timestamp: str | None = None,
    signed_body: bytes | None = None,
    headers: Mapping[str, str | None] | None = None,
    **options: Any,
) -> bytes:
    stamp = str(int(time.time())) if timestamp is None else timestamp
    # Text that a header cannot carry is signed too: the test is about how the ingress reads it.
    mark = telnyx_requests.SECRET.sign(
        stamp.encode("utf-8", "surrogateescape") + b"|" + (body if signed_body is None else signed_body)
    ).signature
    own = {"Telnyx-Signature-Ed25519": b64encode(bytes(mark)).decode(), "Telnyx-Timestamp": stamp}
    return http_request(body, {**own, **(headers or {})}, **{"content_type": "application/json", **options})
