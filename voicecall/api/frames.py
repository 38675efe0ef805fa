"""The frames of the gateway: one request, one answer; the same JSON object on the WebSocket and at `POST /rpc`.

    {"type":"req","id":"7","method":"voicecall.speak","params":{…}}
    {"type":"res","id":"7","ok":true,"payload":{…}}  or  {"type":"res","id":"7","ok":false,"error":{"code":…}}
    {"type":"event","event":"voicecall.feed","payload":{…}}

Pure: bytes in, bytes out. Knows no method.
"""

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from voicecall.errors import InvalidRequest, Refusal

__all__ = ["Request", "error_frame", "event_frame", "problem_of", "read_request", "result_frame"]


class Request(BaseModel):
    """A request frame. `params` is validated by the method it names."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["req"] = "req"
    id: Annotated[str, StringConstraints(max_length=128)] | int = ""
    method: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    params: dict[str, Any] = {}


def read_request(data: str | bytes) -> Request:
    """Parse a request frame; null counts as left out. Raises InvalidRequest, naming the wrong key."""
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("request is not JSON") from error
    if not isinstance(parsed, dict):
        raise InvalidRequest("request is not an object")
    try:
        return Request.model_validate({key: value for key, value in parsed.items() if value is not None})
    except ValidationError as error:
        raise InvalidRequest(problem_of(error)) from error


def problem_of(error: ValidationError) -> str:
    """The first problem and its key; never the value, which is untrusted text."""
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
