"""The gateway's language: one request and one answer, the same object on the WebSocket and at `POST /rpc`.

    {"type":"req","id":"7","method":"voicecall.speak","params":{…}}
    {"type":"res","id":"7","ok":true,"payload":{…}}  or  {"type":"res","id":"7","ok":false,"error":{"code":…}}
    {"type":"event","event":"voicecall.feed","payload":{…}}

Pure: bytes in, bytes out. Knows no method.
"""

from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from voicecall.errors import InvalidRequest, Refusal

__all__ = [
    "STATUS_OF_CODE",
    "Forbidden",
    "Request",
    "TooLarge",
    "Unauthorized",
    "error_frame",
    "event_frame",
    "problem_of",
    "read_request",
    "result_frame",
    "status_of",
]

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
"""What each code is as an HTTP status."""


class Unauthorized(Refusal):
    """No token, or not ours."""

    code = "UNAUTHORIZED"


class Forbidden(Refusal):
    """We know who asks, and they may not."""

    code = "FORBIDDEN"


class TooLarge(Refusal):
    """More bytes than one request may have."""

    code = "PAYLOAD_TOO_LARGE"


class Request(BaseModel):
    """A request as sent; its `params` are checked by the method."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["req"] = "req"
    id: Annotated[str, StringConstraints(max_length=128)] | int = ""
    method: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    params: dict[str, Any] = {}


def read_request(data: str | bytes) -> Request:
    """Raises InvalidRequest, naming the key that is wrong."""
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("request is not JSON") from error
    if not isinstance(parsed, dict):
        raise InvalidRequest("request is not an object")
    try:
        return Request.model_validate(parsed)
    except ValidationError as error:
        raise InvalidRequest(problem_of(error)) from error


def problem_of(error: ValidationError) -> str:
    """The first problem, with the key it is about; never the value, which may be anybody's text."""
    found = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part)[:64] for part in found["loc"][:3]) or "request"
    match found["type"]:
        case "missing" | "required":
            return f"{key} required"
        case "extra_forbidden":
            return f"{key}: there is no such parameter"
        case _:
            return f"{key}: {found['msg']}"


def result_frame(request_id: str | int, payload: Any) -> bytes:
    return orjson.dumps({"type": "res", "id": request_id, "ok": True, "payload": payload})


def error_frame(request_id: str | int, refusal: Refusal) -> bytes:
    error: dict[str, Any] = {"code": refusal.code, "message": refusal.message, "retryable": refusal.retryable}
    if refusal.call_id is not None:
        error["callId"] = refusal.call_id
    if refusal.retry_after_ms is not None:
        error["retryAfterMs"] = refusal.retry_after_ms
    return orjson.dumps({"type": "res", "id": request_id, "ok": False, "error": error})


def event_frame(event: str, payload: Any, subscription: str) -> bytes:
    return orjson.dumps({"type": "event", "event": event, "subscription": subscription, "payload": payload})


def status_of(refusal: Refusal) -> int:
    """The HTTP status that mirrors the code. An unknown outcome of a known call is 504: asking again may tell."""
    if refusal.code == "UNAVAILABLE" and refusal.call_id is not None:
        return 504
    return STATUS_OF_CODE.get(refusal.code, 500)
