"""Webhooks of each carrier as complete, unique and signed requests: what the load generator sends.

One entry of `SENDERS` per carrier. The account is the benchmark's own, so that the stack can be configured with it and
needs no simulator. Signed with a few lines of HMAC or by the simulators' signers, never with the code that verifies.
"""

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import orjson

from simulators.plivo.signature import sign
from simulators.telnyx.signature import Signer

__all__ = ["SENDERS", "Sender"]

_SECRET: Final = "bench-auth-token"
_SIGNER: Final = Signer(bytes(range(32)))
_ACCOUNT_SID: Final = "AC" + "7" * 32
_FORM: Final = "application/x-www-form-urlencoded"
_FROM, _TO = "15550001000", "15550003000"


@dataclass(frozen=True, kw_only=True)
class Sender:
    """`config` is the account's section of the settings; `leg` makes the carrier's id of the n-th call.

    `request(url, number, call, leg)` is an event of `call`. No two numbers give the same request or replay key.
    """

    config: Mapping[str, str]
    leg: Callable[[int], str]
    request: Callable[[str, int, str, str], bytes]


def _twilio(url: str, number: int, call: str, leg: str) -> bytes:
    """Unique by its SequenceNumber, and so by its signature."""
    url = f"{url}?callId={call}&type=status"
    fields = {
        "CallSid": leg,
        "AccountSid": _ACCOUNT_SID,
        "From": f"+{_FROM}",
        "To": f"+{_TO}",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
        "Direction": "outbound-api",
        "Caller": f"+{_FROM}",
        "Called": f"+{_TO}",
        "Timestamp": "Sat, 21 Nov 2026 08:00:00 +0000",
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(number),
    }
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.digest(_SECRET.encode(), signed.encode(), hashlib.sha1)
    headers = {
        "User-Agent": "TwilioProxy/1.1",
        "Content-Type": f"{_FORM}; charset=utf-8",
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
    }
    return _post(url, headers, _form(fields))


def _telnyx(url: str, number: int, call: str, leg: str) -> bytes:
    """Unique by the event's id, which is the replay key: with one id, all requests after the first are replays.

    The timestamp is that of the signing and valid for five minutes: sign shortly before sending.
    """
    now = time.time()
    payload = {
        "call_control_id": leg,
        "call_leg_id": str(uuid.UUID(int=number)),
        "call_session_id": str(uuid.UUID(int=number)),
        "connection_id": "1234567890",
        "client_state": base64.b64encode(call.encode()).decode(),
        "from": f"+{_FROM}",
        "to": f"+{_TO}",
        "state": "answered",
        "start_time": "2026-11-21T08:00:00.000000Z",
        "custom_headers": [],
        "sip_headers": [],
        "tags": [],
    }
    data = {
        "record_type": "event",
        "event_type": "call.answered",
        "id": str(uuid.uuid4()),
        "occurred_at": "2026-11-21T08:00:00.000000Z",
        "payload": payload,
    }
    body = orjson.dumps({"data": data, "meta": {"attempt": 1, "delivered_to": url}})
    headers = {"User-Agent": "telnyx-webhooks", "Content-Type": "application/json"}
    return _post(url, headers | _SIGNER.headers(int(now), body), body)


def _plivo(url: str, number: int, call: str, leg: str) -> bytes:
    """Unique by its nonce, which is signed."""
    url = f"{url}?callId={call}&flow=ring"
    fields = {
        "CallUUID": leg,
        "From": _FROM,
        "To": _TO,
        "Direction": "outbound",
        "CallStatus": "ringing",
        "Event": "Ring",
        "BillRate": "0.00650",
        "SessionStart": "2026-11-21 08:00:00",
        "RequestUUID": leg,
        "ALegUUID": leg,
        "ALegRequestUUID": leg,
    }
    nonce = f"{number:020d}"
    signature = sign(_SECRET, "POST", url, list(fields.items()), nonce)
    headers = {
        "User-Agent": "Plivo",
        "Content-Type": _FORM,
        "X-Plivo-Signature-V3": signature,
        "X-Plivo-Signature-Ma-V3": signature,
        "X-Plivo-Signature-V3-Nonce": nonce,
    }
    return _post(url, headers, _form(fields))


def _form(fields: Mapping[str, str]) -> bytes:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()


def _post(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Content-Length: {len(body)}",
        "Accept: */*",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


SENDERS: Final[Mapping[str, Sender]] = {
    "twilio": Sender(
        config={"accountSid": _ACCOUNT_SID, "authToken": _SECRET},
        leg=lambda number: f"CA{number:032x}",
        request=_twilio,
    ),
    "telnyx": Sender(
        config={"apiKey": "KEY-bench", "connectionId": "1234567890", "publicKey": _SIGNER.public_key},
        leg=lambda number: f"v3:bench{number:059d}",
        request=_telnyx,
    ),
    "plivo": Sender(
        config={"authId": "MA" + "7" * 18, "authToken": _SECRET},
        leg=lambda number: str(uuid.UUID(int=number)),
        request=_plivo,
    ),
}
