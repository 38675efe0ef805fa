"""The tool as an MCP server, over stdio or streamable HTTP, by the official SDK.

Offers one tool, `voice_call`, with the flat schema, because several model providers refuse a union at the top of a
tool's parameters. Waiting for a person's answer takes minutes; meanwhile progress is reported to clients that request
it, so that they do not time out. Knows the tool and the MCP protocol; the gateway does the rest.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from voicecall.bearer import BearerTokens, token_in
from voicecall.client import AsyncVoicecall
from voicecall.connections import sender
from voicecall.errors import Exhausted
from voicecall.tool.actions import NAME, SUMMARY, description, flat_schema, object_in
from voicecall.tool.http_guard import HttpGuard, WholeBody
from voicecall.tool.voice_call import Payload, content_of, use

__all__ = ["PATH", "http_app", "serve_stdio", "server"]

PATH: Final = "/mcp"

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_BY_GUARD: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # `HttpGuard` does that
_PROGRESS_S: Final = 5.0
_INSTRUCTIONS: Final = f"Use {NAME} to phone people. {description()} End every conversation you started with end_call."

Gateway = Callable[[], AsyncVoicecall]
Context = ServerRequestContext[AsyncVoicecall, Any]


def server(gateway: Gateway) -> Server[AsyncVoicecall]:
    """An MCP server. `gateway` makes its client of the gateway, which stays open as long as the server runs."""

    @asynccontextmanager
    async def lifespan(_: Server[AsyncVoicecall]) -> AsyncIterator[AsyncVoicecall]:
        async with gateway() as client:
            yield client

    mcp = Server(
        "voicecall",
        version=version("voicecall"),
        title="Phone calls",
        instructions=_INSTRUCTIONS,
        lifespan=lifespan,
        on_list_tools=_tools,
        on_call_tool=_call,
    )
    mcp.middleware.append(_arguments_as_object)
    return mcp


async def _arguments_as_object(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Some models write the arguments as text; what is no object then is refused by the tool, not by the protocol."""
    params = ctx.params
    if ctx.method == "tools/call" and params is not None and params.get("arguments") is not None:
        arguments = object_in(params["arguments"])
        arguments = arguments if isinstance(arguments, dict) else {"arguments": arguments}
        ctx = replace(ctx, params={**params, "arguments": arguments})
    return await call_next(ctx)


async def serve_stdio(gateway: Gateway) -> None:
    """Serve the client on standard input and output until it disconnects."""
    mcp = server(gateway)
    async with stdio_server() as (read, write):
        await mcp.run(read, write, mcp.create_initialization_options())


def http_app(gateway: Gateway, *, host: str, token: str | None) -> ASGIApp:
    """Streamable HTTP at `PATH`, for an ASGI server on the address `host`. With a `token`, every request needs it.

    Without a token, requests under another host name are refused (DNS rebinding).
    """
    app = server(gateway).streamable_http_app(streamable_http_path=PATH, host=host, transport_security=_BY_GUARD)
    app.add_middleware(WholeBody)
    app.add_middleware(_OneSpelling)
    if token is not None:
        return HttpGuard(_BearerAuth(app, token), names=None)
    app.add_middleware(HttpGuard, names={*_LOOPBACK, host})
    return app


class _OneSpelling:
    """ASGI middleware: `/mcp/` and `//mcp` are `/mcp`.

    Starlette redirects them to the scheme of the socket, which behind a proxy with TLS is the wrong one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": "/" + "/".join(filter(None, scope["path"].split("/")))}
        await self._app(scope, receive, send)


class _BearerAuth:
    """ASGI middleware: refuses requests without the bearer token, and a sender that guesses."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._tokens = BearerTokens([(token, "client")])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        peer = scope.get("client")
        try:
            if self._tokens.holder(token_in(headers), sender(peer[0] if peer else None)) is not None:
                return None
        except Exhausted as error:
            return PlainTextResponse(f"{error.message}\n", 429, {"Retry-After": str(error.retry_after_s)})
        return PlainTextResponse("the token is missing or wrong\n", 401, {"WWW-Authenticate": "Bearer"})


async def _tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    annotations = types.ToolAnnotations(
        title="Phone calls", read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
    )
    tool = types.Tool(name=NAME, description=SUMMARY, input_schema=flat_schema(), annotations=annotations)
    return types.ListToolsResult(tools=[tool])


async def _call(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name != NAME:
        payload: Payload = {"error": f"there is no such tool; the only tool is {NAME}"}
    else:
        payload = await _with_progress(context, params.arguments or {})
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=content_of(payload))],
        structured_content=payload,
        is_error="error" in payload,
    )


async def _with_progress(context: Context, arguments: dict[str, Any]) -> Payload:
    reporting = asyncio.create_task(_report_progress(context))
    try:
        return await use(context.lifespan_context, arguments)
    finally:
        reporting.cancel()
        with suppress(asyncio.CancelledError):
            await reporting


async def _report_progress(context: Context) -> None:
    """Report progress every few seconds, until cancelled."""
    waited_s = 0.0
    while True:
        await asyncio.sleep(_PROGRESS_S)
        waited_s += _PROGRESS_S
        await context.session.report_progress(waited_s, message="on the phone")
