"""The signature of a report's webhook, by the Standard Webhooks specification (1.0, symmetric).

Pure. `webhook-id` is the same for every delivery of one report, so that a receiver processes it once;
`webhook-timestamp` (epoch seconds) is of this delivery, so that a captured request goes stale.
"""

import base64
import hashlib
import hmac
from typing import Final

__all__ = ["headers_of", "key_of"]

_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The bytes of a secret: of `whsec_` and base64 what is encoded, of any other text its UTF-8."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except ValueError:
            pass
    return secret.encode()


def headers_of(message_id: str, at: float, body: bytes, secret: str) -> dict[str, str]:
    """The three headers. The signature is over the id, the time and the exact bytes of the body."""
    stamp = str(int(at))
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
