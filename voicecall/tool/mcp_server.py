"""The tool as an MCP server: any MCP client can phone, over stdio or streamable HTTP (the official SDK speaks).

One tool, `voice_call`, offered with the flat schema, because several model providers refuse a union at the top of a
tool's parameters. Waiting for a person takes minutes: while it lasts, progress is reported to clients that ask for it,
so that they do not take silence for death. Knows the tool; what it does on the phone is the gateway's affair.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from voicecall.client import AsyncVoicecall
from voicecall.tool.actions import NAME, SUMMARY, flat_schema
from voicecall.tool.voice_call import Payload, content_of, use

__all__ = ["PATH", "http_app", "serve_stdio", "server"]

PATH: Final = "/mcp"

_PROGRESS_S: Final = 5.0
_INSTRUCTIONS: Final = (
    "Use voice_call to phone people. initiate_call gives a callId; with it continue_call says something and returns"
    " what the person answers, speak_to_user only says it, send_dtmf presses keys, end_call hangs up, get_status tells"
    " the state and the transcript. End every conversation you began with end_call."
)

Gateway = Callable[[], AsyncVoicecall]
Context = ServerRequestContext[AsyncVoicecall, Any]


def server(gateway: Gateway) -> Server[AsyncVoicecall]:
    """An MCP server; `gateway` makes the line to the gateway that it keeps open as long as it runs."""

    @asynccontextmanager
    async def lifespan(_: Server[AsyncVoicecall]) -> AsyncIterator[AsyncVoicecall]:
        async with gateway() as line:
            yield line

    return Server(
        "voicecall",
        version=version("voicecall"),
        title="Phone calls",
        instructions=_INSTRUCTIONS,
        lifespan=lifespan,
        on_list_tools=_tools,
        on_call_tool=_call,
    )


async def serve_stdio(gateway: Gateway) -> None:
    """Serve the client at our standard input and output until it leaves."""
    mcp = server(gateway)
    async with stdio_server() as (read, write):
        await mcp.run(read, write, mcp.create_initialization_options())


def http_app(gateway: Gateway, *, host: str, token: str | None) -> ASGIApp:
    """Streamable HTTP at `PATH`, for an ASGI server on the address `host`. With a `token` every request must bear it.

    Without one only this machine may reach us: a page whose name was rebound to our address is refused.
    """
    security = _for_this_machine(host) if token is None else None
    app = server(gateway).streamable_http_app(streamable_http_path=PATH, host=host, transport_security=security)
    return app if token is None else _Guarded(app, token)


def _for_this_machine(host: str) -> TransportSecuritySettings:
    names = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[f"{name}:*" for name in names],
        allowed_origins=[f"http://{name}:*" for name in names],
    )


class _Guarded:
    """Lets in who bears the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = PlainTextResponse("the token is missing or wrong\n", 401, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    annotations = types.ToolAnnotations(
        title="Phone calls", read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
    )
    tool = types.Tool(name=NAME, description=SUMMARY, input_schema=flat_schema(), annotations=annotations)
    return types.ListToolsResult(tools=[tool])


async def _call(context: Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
    if asked.name != NAME:
        payload: Payload = {"error": f"there is no such tool; there is {NAME}"}
    else:
        payload = await _with_progress(context, asked.arguments or {})
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=content_of(payload))],
        structured_content=payload,
        is_error="error" in payload,
    )


async def _with_progress(context: Context, arguments: dict[str, Any]) -> Payload:
    telling = asyncio.create_task(_tell(context))
    try:
        return await use(context.lifespan_context, arguments)
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


async def _tell(context: Context) -> None:
    """Say every few seconds that we are still there."""
    waited_s = 0.0
    while True:
        await asyncio.sleep(_PROGRESS_S)
        waited_s += _PROGRESS_S
        await context.session.report_progress(waited_s, message="on the phone")
