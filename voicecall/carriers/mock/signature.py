"""Did the mock carrier sign this? HMAC-SHA256 over `<timestamp>.<body>` with a secret shared in `MOCK_SECRET`.

Pure; the time comes in. The simplest honest scheme: it covers the body and expires, so that copying it is safe.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from voicecall.errors import WebhookRejected

__all__ = ["HEADERS", "TOLERANCE_S", "check_signature", "sign", "unsigned_key"]

HEADERS: Final = ("x-mock-signature", "x-mock-timestamp")
"""Names as in WebhookRequest.headers. A request without a secret may carry `x-mock-nonce` to be told from its twin."""

TOLERANCE_S: Final = 300

_HEX = re.compile(r"[0-9a-f]{64}\Z")
_SECONDS = re.compile(r"[0-9]{1,12}\Z")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `x-mock-signature`. `timestamp`: epoch seconds in ASCII digits."""
    return hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()


def check_signature(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """The request's key. Raises WebhookRejected (401) for a wrong, missing, malformed or stale signature."""
    signature, timestamp = (headers.get(name, "") for name in HEADERS)
    if not signature or not timestamp:
        raise WebhookRejected("signature-missing")
    if not _HEX.match(signature) or not _SECONDS.match(timestamp):
        raise WebhookRejected("signature-malformed")
    if not hmac.compare_digest(sign(secret, timestamp, body), signature):
        raise WebhookRejected("signature-mismatch")
    if abs(now - int(timestamp)) > TOLERANCE_S:
        raise WebhookRejected("signature-stale")
    return f"mock:{signature}"


def unsigned_key(headers: Mapping[str, str], body: bytes) -> str:
    """A key without a secret: of the body and the sender's nonce, so that two equal events can both count."""
    nonce = headers.get("x-mock-nonce", "").encode("utf-8", "surrogatepass")
    return "mock:unsigned:" + hashlib.sha256(hashlib.sha256(nonce).digest() + body).hexdigest()
