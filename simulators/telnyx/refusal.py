"""Telnyx's error documents and error codes (Telnyx, "API error codes"). Pure."""

from simulators.phone.rest import Refusal as AnyRefusal

__all__ = [
    "ALREADY_TRANSCRIBING",
    "BAD_CLIENT_STATE",
    "BAD_VALUE",
    "CALL_ENDED",
    "MISSING",
    "NOT_ANSWERED",
    "NOT_FOUND",
    "NOT_STREAMING",
    "NO_SUCH_CALL",
    "STRANGER",
    "STREAMING",
    "TOO_MANY",
    "UNEXPECTED",
    "Refusal",
]

MISSING = (10004, "Missing required parameter")
NOT_FOUND = (10005, "Resource not found")
UNEXPECTED = (10007, "Unexpected error")
STRANGER = (10009, "Authentication failed")
TOO_MANY = (10011, "Too many requests")
BAD_VALUE = (10015, "Bad Request")
NO_SUCH_CALL = (90015, "Invalid Call Control ID")
BAD_CLIENT_STATE = (90017, "Invalid value for client_state")
CALL_ENDED = (90018, "Call has already ended")
NOT_ANSWERED = (90034, "Call not answered yet")
STREAMING = (90045, "Media streaming already in use")
NOT_STREAMING = (90048, "Media streaming not in use")
ALREADY_TRANSCRIBING = (90054, "Transcription already in progress")


class Refusal(AnyRefusal):
    """An error of one of the kinds above; `pointer` names the field that is wrong."""

    def __init__(self, status: int, kind: tuple[int, str], detail: str, pointer: str = "") -> None:
        code, title = kind
        error = {"code": str(code), "title": title, "detail": detail}
        if pointer:
            error["source"] = {"pointer": f"/{pointer}"}  # type: ignore[assignment]
        super().__init__(status, {"errors": [error]})
