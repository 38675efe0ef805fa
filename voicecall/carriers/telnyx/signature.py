"""Verifies Telnyx's signature: Ed25519 over `<timestamp>|<raw body>`, valid for five minutes before and after.

Pure; the time is an argument. The scheme is that of Telnyx's "Webhook Fundamentals". It does not cover the URL, and it
covers the raw bytes of the body.
"""

import hashlib
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from voicecall.carriers.common.signature import check_age, is_timestamp
from voicecall.errors import ConfigError, WebhookRejected

__all__ = ["HEADERS", "check_signature", "read_public_key"]

HEADERS: Final = ("telnyx-signature-ed25519", "telnyx-timestamp")
"""Names as in WebhookRequest.headers."""

# 64 bytes in either alphabet, padded or not.
_SIGNATURE = re.compile(r"[A-Za-z0-9+/_-]{86}(?:==)?\Z")
_URL_SAFE = str.maketrans("-_", "+/")


def read_public_key(text: str) -> Ed25519PublicKey:
    r"""The account's key as PEM, as base64 of its 32 bytes, or as base64 of DER. Raises ConfigError for anything else.

    A PEM whose line ends were written as `\n`, as environment variables make one do, is read too.
    """
    problem = (
        "telnyx.publicKey is not an Ed25519 public key (PEM, or base64 of 32 bytes or DER): copy it from the portal"
    )
    text = text.strip()
    try:
        if text.startswith("-----BEGIN"):
            key = load_pem_public_key(text.replace("\\n", "\n").encode())
        else:
            raw = b64decode(text, validate=True)
            key = Ed25519PublicKey.from_public_bytes(raw) if len(raw) == 32 else load_der_public_key(raw)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError([problem]) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError([problem])
    return key


def check_signature(key: Ed25519PublicKey, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """The request's key, of timestamp, signature bytes and body: other spellings of one signature share it.

    Raises WebhookRejected (401): "signature-missing", "-malformed", "-mismatch" or "-stale".
    """
    text, timestamp = (headers.get(name, "") for name in HEADERS)
    if not text or not timestamp:
        raise WebhookRejected("signature-missing")
    if not _SIGNATURE.match(text) or not is_timestamp(timestamp):
        raise WebhookRejected("signature-malformed")
    try:
        signature = b64decode(text[:86].translate(_URL_SAFE) + "==")
        key.verify(signature, timestamp.encode() + b"|" + body)
    except (InvalidSignature, NotBase64) as error:
        raise WebhookRejected("signature-mismatch") from error
    check_age(timestamp, now=now)
    digest = hashlib.sha256(timestamp.encode() + b"|" + signature + body)
    return "telnyx:" + digest.hexdigest()
