"""The errors of the client.

VoicecallError
├── GatewayDown    no answer, or not from a gateway: the outcome of the request is unknown
├── TokenRefused   the token is missing or unknown to the gateway
└── Refused        the gateway refused the request: `code` is the reason, `retryable` whether a retry may succeed
"""

from typing import Any

from voicecall.errors import VoicecallError

__all__ = ["GatewayDown", "Refused", "TokenRefused"]


class GatewayDown(VoicecallError):
    """No answer from the gateway's address, or not one of a gateway. A retry is safe with an idempotency key.

    `was_sent`: the request may have reached the gateway; False when no connection came about.
    """

    retryable = True

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class TokenRefused(VoicecallError):
    """The token is missing or unknown to the gateway."""


class Refused(VoicecallError):
    """The gateway's refusal.

    `code`: INVALID_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, FAILED, PAYLOAD_TOO_LARGE, RESOURCE_EXHAUSTED, UNAVAILABLE
    or INTERNAL. `call_id`: the call whose status to query, where there is one. `retry_after_ms`: the time to wait
    first.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        self.code = str(error.get("code", "UNKNOWN"))
        self.message = str(error.get("message", ""))
        self.call_id: str | None = error.get("callId")
        self.retry_after_ms: int | None = error.get("retryAfterMs")
        self.retryable = error.get("retryable") is True
        super().__init__(f"{self.code}: {self.message}")

    @property
    def is_unknown(self) -> bool:
        """The request may have been carried out: the call's status shows whether it was."""
        return self.code == "UNAVAILABLE" and self.message.startswith("outcome unknown")
