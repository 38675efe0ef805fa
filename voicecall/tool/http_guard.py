"""ASGI middleware of `voicecall mcp --http`: which requests reach the MCP server at all.

What two servers could read differently, what a web page sent, and without a token what names another host is refused
with constant answers, and nothing of it is logged, as the SDK would. Knows headers; the MCP server knows the protocol.
"""

from collections.abc import Collection
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicecall import metrics
from voicecall.proper_http import REASONS, refusal_status
from voicecall.web_pages import host_name, is_from_page, is_of_other_origin

__all__ = ["HttpGuard", "WholeBody"]

_LARGEST: Final = 1_048_576


class HttpGuard:
    """The outermost layer. `names`: the only host names that requests may name; None for any."""

    def __init__(self, app: ASGIApp, names: Collection[str] | None) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        status, headers = refusal_status(pairs), dict(pairs)
        if status is not None:
            metrics.CONNECTIONS.labels(reason="not-http").inc()
            return PlainTextResponse(REASONS[status], status, {"Connection": "close"})
        if is_from_page(headers) or is_of_other_origin(headers):
            return PlainTextResponse("requests of web pages are refused\n", 403)
        if self._names is not None and host_name(headers.get("host", "")) not in self._names:
            return PlainTextResponse("the Host header is not a name of this machine\n", 421)
        return None


class WholeBody:
    """Reads the body before the application does, which logs a traceback where the client goes away within one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _LARGEST:
                await PlainTextResponse("Payload Too Large", 413, {"Connection": "close"})(scope, receive, send)
                return
        await self._app(scope, _replay(body, receive), send)


def _replay(body: bytes, rest: Receive) -> Receive:
    """What gives the body at once, and then what else is received."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return await rest()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
