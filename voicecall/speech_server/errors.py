"""Errors in the form of OpenAI's API: the body of HTTP refusals, and of `error` events on a socket. Pure."""

from typing import Any

import orjson
from aiohttp import web

__all__ = ["Refused", "answer_of"]


class Refused(Exception):
    """A request that is not carried out. `param`: what of it is wrong; `retry_after_s`: when it may be tried again."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def fields(self) -> dict[str, Any]:
        """The object below `error`."""
        kind = {429: "requests", 500: "server_error", 503: "server_error"}.get(self.status, "invalid_request_error")
        return {"message": self.message, "type": kind, "param": self.param, "code": self.code}


def answer_of(refused: Refused) -> web.Response:
    headers = {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = orjson.dumps({"error": refused.fields})
    return web.Response(status=refused.status, body=body, content_type="application/json", headers=headers)
