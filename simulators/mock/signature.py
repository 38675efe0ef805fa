"""The mock carrier's webhook signature: HMAC-SHA256, in hex, over `<timestamp>.<url>.<body>`. Pure."""

import hashlib
import hmac

__all__ = ["headers"]


def headers(secret: str, timestamp: int, url: str, body: bytes) -> dict[str, str]:
    """The two headers of a webhook sent at `timestamp` (epoch seconds)."""
    signed = f"{timestamp}.{url}.".encode() + body
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"X-Mock-Timestamp": str(timestamp), "X-Mock-Signature": signature}
