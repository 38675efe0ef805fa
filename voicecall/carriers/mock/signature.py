"""Did the mock carrier sign this? HMAC-SHA256 over `<timestamp>.<url>.<body>` with a secret shared in `MOCK_SECRET`.

Pure; the time comes in. The simplest honest scheme: it covers all that is read (our URLs carry our ids) and expires, so
that copying it is safe.
"""

import hashlib
import hmac
import re
from typing import Final

from voicecall.errors import WebhookRejected
from voicecall.ports import WebhookRequest

__all__ = ["HEADERS", "TOLERANCE_S", "check_signature", "sign", "unsigned_key"]

HEADERS: Final = ("x-mock-signature", "x-mock-timestamp")
"""Names as in WebhookRequest.headers."""

TOLERANCE_S: Final = 300

_HEX = re.compile(r"[0-9a-f]{64}\Z")
_SECONDS = re.compile(r"[0-9]{1,12}\Z")


def sign(secret: str, timestamp: str, url: str, body: bytes) -> str:
    """The value of `x-mock-signature`. `timestamp`: epoch seconds in ASCII digits."""
    return hmac.digest(secret.encode(), b"%b.%b.%b" % (timestamp.encode(), _bytes(url), body), "sha256").hex()


def check_signature(secret: str, request: WebhookRequest, *, now: float) -> str:
    """The request's key. Raises WebhookRejected (401) for a wrong, missing, malformed or stale signature."""
    signature, timestamp = (request.headers.get(name, "") for name in HEADERS)
    if not signature or not timestamp:
        raise WebhookRejected("signature-missing")
    if not _HEX.match(signature) or not _SECONDS.match(timestamp):
        raise WebhookRejected("signature-malformed")
    if not hmac.compare_digest(sign(secret, timestamp, request.url, request.body), signature):
        raise WebhookRejected("signature-mismatch")
    if abs(now - int(timestamp)) > TOLERANCE_S:
        raise WebhookRejected("signature-stale")
    return f"mock:{signature}"


def unsigned_key(request: WebhookRequest) -> str:
    """A key without a secret: of what would have been signed, but for the time. An `id` tells equal events apart."""
    return f"mock:unsigned:{hashlib.sha256(_bytes(request.url) + b'.' + request.body).hexdigest()}"


def _bytes(url: str) -> bytes:
    # Whatever a stranger put into a query must end in a refusal, lone surrogates too.
    return url.encode(errors="surrogatepass")
