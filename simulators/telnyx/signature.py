"""Telnyx's webhook signature: Ed25519 over `timestamp|body`. Checked against the official SDK in the tests."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["Signer"]


class Signer:
    """The account's key pair: random, or made from a seed of 32 bytes."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed) if seed else Ed25519PrivateKey.generate()

    @property
    def public_key(self) -> str:
        """As Telnyx's portal shows it: base64 of the raw 32 bytes."""
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(raw).decode()

    def headers(self, timestamp: int, body: bytes) -> dict[str, str]:
        """The two headers of a webhook sent at `timestamp` (epoch seconds)."""
        signature = self._key.sign(b"%d|%b" % (timestamp, body))
        return {
            "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
            "telnyx-timestamp": str(timestamp),
        }
