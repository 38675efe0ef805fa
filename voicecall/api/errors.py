"""The error codes of the gateway: their HTTP statuses, and the refusals that only the gateway raises.

The other codes belong to the refusals of `voicecall.errors`, which the services raise. The HTTP server and the
documents use the statuses.
"""

from typing import Final

from voicecall.errors import Refusal

__all__ = ["STATUS_OF_CODE", "Forbidden", "Internal", "TooLarge", "Unauthorized", "status_of"]

STATUS_OF_CODE: Final = {
    "INVALID_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "FAILED": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
"""The HTTP status of each code."""


class Unauthorized(Refusal):
    """The token is missing or unknown."""

    code = "UNAUTHORIZED"


class Forbidden(Refusal):
    """The token is known and lacks the scope, or the request comes from a foreign web page."""

    code = "FORBIDDEN"


class TooLarge(Refusal):
    """The request exceeds the configured number of bytes."""

    code = "PAYLOAD_TOO_LARGE"


class Internal(Refusal):
    """A fault of the gateway; its log has the details."""

    code = "INTERNAL"


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal. An unknown outcome of a known call is 504: its status may be queried later."""
    if refusal.code == "UNAVAILABLE" and refusal.call_id is not None:
        return 504
    return STATUS_OF_CODE.get(refusal.code, 500)
