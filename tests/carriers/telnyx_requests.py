"""Requests as Telnyx makes them, signed with the PyNaCl that its SDK verifies with, for the tests beside this file."""

import json
from base64 import b64encode
from typing import Any

from nacl.signing import SigningKey

from voicecall.carriers.telnyx.codec import Codec
from voicecall.ports import WebhookRequest

SECRET = SigningKey(bytes(range(32)))
PUBLIC_KEY = b64encode(bytes(SECRET.verify_key)).decode()
NOW = 1_790_000_000
LEG = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg"
CALL = "6f1c2f7e-3b7a-4c1e-9a55-0d9f3a1b2c3d"
STATE = b64encode(CALL.encode()).decode()
URL = "https://calls.example.com/voice/webhook"

CALL_FACTS = {
    "call_control_id": LEG,
    "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
    "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
    "connection_id": "7267xxxxxxxxxxxxxx",
    "client_state": STATE,
    "from": "+15550001111",
    "to": "+15550002222",
}


def codec(**changes: Any) -> Codec:
    return Codec(**{"public_key": PUBLIC_KEY, "now": lambda: float(NOW), **changes})


def event(kind: str, **payload: Any) -> dict[str, Any]:
    """A webhook's body; a change to None is sent as null."""
    data = {
        "record_type": "event",
        "event_type": kind,
        "id": "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0",
        "occurred_at": "2026-11-21T22:22:33.000000Z",
        "payload": {**CALL_FACTS, **payload},
    }
    return {"data": data, "meta": {"attempt": 1, "delivered_to": URL}}


def signature(body: bytes, timestamp: str = str(NOW), key: SigningKey = SECRET) -> bytes:
    return bytes(key.sign(timestamp.encode() + b"|" + body).signature)


def raw(
    body: bytes, *, signature: str, timestamp: str = str(NOW), content_type: str = "application/json"
) -> WebhookRequest:
    headers = {
        "content-type": content_type,
        "telnyx-signature-ed25519": signature,
        "telnyx-timestamp": timestamp,
    }
    return WebhookRequest(method="POST", url=URL, headers=headers, body=body)


def signed(body: bytes, *, timestamp: str = str(NOW), key: SigningKey = SECRET) -> WebhookRequest:
    return raw(body, signature=b64encode(signature(body, timestamp, key)).decode(), timestamp=timestamp)


def posted(kind: str, **payload: Any) -> WebhookRequest:
    return signed(json.dumps(event(kind, **payload)).encode())
