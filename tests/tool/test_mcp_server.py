"""The MCP server over HTTP: which requests it accepts."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette

from voicecall.client import AsyncVoicecall
from voicecall.tool.mcp_server import PATH, http_app

Message = MutableMapping[str, Any]


async def status_of(address: str, *, path: str = PATH, method: str = "POST", **headers: str) -> int:
    """The HTTP status for a request to the server on `address`."""
    app = http_app(lambda: AsyncVoicecall("http://127.0.0.1:9", token=""), host=address, token=None)
    assert isinstance(app, Starlette)
    given = {"accept": "application/json, text/event-stream", "content-type": "application/json", **headers}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"no request", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
async def test_requests_under_a_rebound_name_are_refused(host: str) -> None:
    """Without a token every local client may phone, and a page in a browser reaches every address of this machine."""
    shown = f"[{host}]" if ":" in host else host
    assert await status_of(host, host="evil.example:3337") == 421
    assert await status_of(host, host=f"{shown}:3337", origin="http://evil.example") == 403
    assert await status_of(host, host=f"{shown}:3337") == 400


@pytest.mark.parametrize("path", ["/mcp/", "//mcp", "/mcp//"])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a19_a_slash_too_many_is_the_same_path(path: str, method: str) -> None:
    """A redirect would go to http, and clients do not repeat a POST after it."""
    asked = {"host": "127.0.0.1:3337", "method": method}
    assert await status_of("127.0.0.1", path=path, **asked) == await status_of("127.0.0.1", **asked)
    assert await status_of("127.0.0.1", path=path, **asked) not in {307, 308, 404}


async def test_a19_another_path_is_not_found() -> None:
    assert await status_of("127.0.0.1", path="/mcp/x", host="127.0.0.1:3337") == 404


async def answers_of(*requests: dict[str, object]) -> list[str]:
    """The bodies of the answers to requests of one session, behind its greeting."""
    app = http_app(lambda: AsyncVoicecall("http://127.0.0.1:9", token=""), host="127.0.0.1", token=None)
    assert isinstance(app, Starlette)
    params = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    greeting = {"id": 0, "method": "initialize", "params": params}
    bodies, session = [], ""
    async with app.router.lifespan_context(app):
        for one in (greeting, {"method": "notifications/initialized"}, *requests):
            sent: list[Message] = []
            given = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
            given |= {"host": "127.0.0.1:3337", "mcp-session-id": session} if session else {"host": "127.0.0.1:3337"}
            headers = [(name.encode(), value.encode()) for name, value in given.items()]
            scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
            body = json.dumps({"jsonrpc": "2.0", **one}).encode()
            pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

            async def receive(pending: list[Message] = pending) -> Message:
                return pending.pop() if pending else await asyncio.Event().wait() or {}

            async def send(message: Message, sent: list[Message] = sent) -> None:
                sent.append(message)

            await app(scope, receive, send)
            session = session or dict(sent[0]["headers"])[b"mcp-session-id"].decode()
            bodies.append(b"".join(part.get("body", b"") for part in sent[1:]).decode())
    return bodies[2:]


async def test_a1_arguments_that_are_written_as_text_are_read() -> None:
    """And what is no object is refused by the tool, in words, not by the protocol."""
    calls = ['{"action": "fly"}', "fly", ["fly"], None]
    asked = [
        {"id": 1, "method": "tools/call", "params": {"name": "voice_call", "arguments": each, "_meta": None}}
        for each in calls
    ]
    read, *refused, empty = await answers_of(*asked)
    assert "there is no such action" in read
    assert all("arguments: there is no such parameter" in body for body in refused)
    assert "to required for call" in empty
