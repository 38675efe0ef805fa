"""The service's errors: the body of HTTP refusals and of `error` events. Pure."""

from typing import Any

from aiohttp import web

from simulators.service import json_reply

__all__ = ["error_body", "refused", "refused_by_script"]

_TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "requests"}
_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}


def error_body(kind: str, message: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The object below `error`."""
    return {"message": message, "type": kind, "param": param, "code": code}


def refused(
    status: int, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: int | None = None
) -> web.Response:
    """An HTTP refusal with the service's body."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    error = error_body(kind, message, code=code or _CODES.get(status), param=param)
    return json_reply({"error": error}, status, headers)


def refused_by_script(status: int, retry_after_s: int | None) -> web.Response:
    """The refusal that the script asks for."""
    return refused(status, f"The simulator's script answers {status} here.", retry_after_s=retry_after_s)
