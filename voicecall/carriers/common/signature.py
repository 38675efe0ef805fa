"""What the carriers' signature checks have in common: the age of a timestamp, the key of an unsigned request, and a
key made of the secret.

Pure; the time is an argument. Each carrier's own scheme is in its `signature.py`. Signatures are compared there by
`hmac.compare_digest`, after their shape was checked.
"""

import hashlib
import hmac
import re
from typing import Final

from voicecall.errors import WebhookRejected
from voicecall.ports import WebhookRequest

__all__ = ["TOLERANCE_S", "check_age", "is_timestamp", "token_key", "unsigned_key"]

TOLERANCE_S: Final = 300
"""How old a signed request may be, and how far its timestamp may lie ahead of this clock."""

_SECONDS = re.compile(r"[0-9]{1,12}\Z")


def is_timestamp(text: str) -> bool:
    """Whether a header holds epoch seconds in ASCII digits."""
    return _SECONDS.match(text) is not None


def check_age(timestamp: str, *, now: float) -> None:
    """Raises WebhookRejected("signature-stale", 401). Call it after the signature was verified.

    In that order the metric of this reason counts clocks that differ, and not forged requests.
    """
    if abs(int(now) - int(timestamp)) > TOLERANCE_S:
        raise WebhookRejected("signature-stale")


def token_key(secret: str) -> bytes:
    """A codec's `token_key`. Without a secret ("": on loopback, or where answers have no tokens) it is no secret."""
    return hmac.digest(secret.encode(), b"voicecall stream tokens", "sha256")


def unsigned_key(carrier: str, request: WebhookRequest) -> str:
    """The key of a request whose signature is not verified, of method, URL and body: equal requests share it."""
    digest = hashlib.sha256()
    for part in (request.method, request.url):
        # A URL may hold lone surrogates; such a request is refused later, by the parser.
        digest.update(part.encode("utf-8", "surrogatepass") + b"\n")
    digest.update(request.body)
    return f"{carrier}:skip:{digest.hexdigest()}"
