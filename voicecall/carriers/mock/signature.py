"""Verifies the mock carrier's signature: HMAC-SHA256 over `<timestamp>.<url>.<body>` with the secret `MOCK_SECRET`.

Pure; the time is an argument. The scheme covers everything that is read, the URL with our call id included, and
expires.
"""

import hmac
import re
from typing import Final

from voicecall.carriers.common.signature import check_age, is_timestamp
from voicecall.errors import WebhookRejected
from voicecall.ports import WebhookRequest

__all__ = ["HEADERS", "check_signature", "sign"]

HEADERS: Final = ("x-mock-signature", "x-mock-timestamp")
"""Names as in WebhookRequest.headers."""

_HEX = re.compile(r"[0-9a-f]{64}\Z")


def sign(secret: str, timestamp: str, url: str, body: bytes) -> str:
    """The value of `x-mock-signature`. `timestamp`: epoch seconds in ASCII digits."""
    return hmac.digest(secret.encode(), b"%b.%b.%b" % (timestamp.encode(), _bytes(url), body), "sha256").hex()


def check_signature(secret: str, request: WebhookRequest, *, now: float) -> str:
    """The request's key. Raises WebhookRejected (401) for a wrong, missing, malformed or stale signature."""
    signature, timestamp = (request.headers.get(name, "") for name in HEADERS)
    if not signature or not timestamp:
        raise WebhookRejected("signature-missing")
    if not _HEX.match(signature) or not is_timestamp(timestamp):
        raise WebhookRejected("signature-malformed")
    if not hmac.compare_digest(sign(secret, timestamp, request.url, request.body), signature):
        raise WebhookRejected("signature-mismatch")
    check_age(timestamp, now=now)
    return f"mock:{signature}"


def _bytes(url: str) -> bytes:
    # A query may hold lone surrogates; it must end in a refusal, not in a UnicodeEncodeError.
    return url.encode(errors="surrogatepass")
