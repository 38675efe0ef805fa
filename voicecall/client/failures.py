"""What can go wrong between a program and its gateway.

VoicecallError
├── GatewayDown    nobody answers there, or not a gateway: nothing is known of what was asked
├── TokenRefused   the gateway does not know the token
└── Refused        it understood and said no; `code` says which no, `retryable` whether later may be different
"""

from typing import Any

from voicecall.errors import VoicecallError

__all__ = ["GatewayDown", "Refused", "TokenRefused"]


class GatewayDown(VoicecallError):
    """Nobody answers at the gateway's address, or not a gateway. With an idempotency key, asking again is safe."""

    retryable = True


class TokenRefused(VoicecallError):
    """The gateway does not know the token."""


class Refused(VoicecallError):
    """The gateway's refusal, in its own words.

    `code`: INVALID_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, FAILED, PAYLOAD_TOO_LARGE, RESOURCE_EXHAUSTED, UNAVAILABLE
    or INTERNAL. `call_id`: the call to ask about, where there is one. `retry_after_ms`: how long to wait first.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        self.code = str(error.get("code", "UNKNOWN"))
        self.message = str(error.get("message", ""))
        self.call_id: str | None = error.get("callId")
        self.retry_after_ms: int | None = error.get("retryAfterMs")
        self.retryable = error.get("retryable") is True
        super().__init__(f"{self.code}: {self.message}")
