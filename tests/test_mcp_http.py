"""The MCP server's connections, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from voicecall.client import AsyncVoicecall
from voicecall.tool.http_server import server_config
from voicecall.tool.mcp_server import PATH, http_app

TOKEN = "a-long-random-token"
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":'
    b'{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}'
)


@asynccontextmanager
async def running(token: str | None = TOKEN, **limits: Any) -> AsyncIterator[int]:
    """The server's port."""
    app = http_app(lambda: AsyncVoicecall("http://127.0.0.1:9", token=""), host="127.0.0.1", token=token)
    server = uvicorn.Server(server_config(app, "127.0.0.1", 0, **limits))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn reports its start only so
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def request(body: bytes = INITIALIZE, **headers: str) -> bytes:
    lines = {
        "Host": "127.0.0.1:3337",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = f"POST {PATH} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n" + body


async def exchange(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await ended(reader)
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_a_request_with_the_token_is_answered_without_a_banner() -> None:
    async with running() as port:
        answer = await exchange(port, request(Authorization=f"Bearer {TOKEN}"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"uvicorn" not in answer


@pytest.mark.parametrize("junk", [b"GET /mcp\r\n\r\n", b"POST /mcp HTTP/1.1\r\nAuthorization Bearer s3cret\r\n\r\n"])
async def test_b7_what_is_not_http_is_one_quiet_400(junk: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    async with running() as port:
        answer = await exchange(port, junk)
    assert b" 400 Bad Request\r\n" in answer
    assert answer.endswith(b"\r\n\r\nBad Request")
    assert not any(word in answer for word in (b"uvicorn", b"s3cret", b"mcp"))
    assert "s3cret" not in "".join(capfd.readouterr())


async def test_b8_a_head_or_body_that_does_not_arrive_ends_the_connection() -> None:
    async with running(first_head_s=0.1) as port:
        for half in (b"", b"POST /mcp HTTP/1.1\r\nHost: a", request()[:-1]):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(half)
            answer = await asyncio.wait_for(ended(reader), 5)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 401 ")  # the token is read first
            writer.close()


async def test_b8_the_longest_silent_connection_goes_and_not_the_newcomer() -> None:
    async with running(limit=4, per_sender=4) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        answer = await exchange(port, request(Authorization=f"Bearer {TOKEN}"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert await ended(silent[0][0]) == b""
        for _, writer in silent:
            writer.close()


async def test_b8_a_large_head_is_refused() -> None:
    async with running() as port:
        head = b"POST /mcp HTTP/1.1\r\nHost: a\r\n" + (b"X-Filler: " + b"a" * 8_000 + b"\r\n") * 10
        assert (await exchange(port, head)).startswith((b"HTTP/1.1 400 ", b""))
        assert (await exchange(port, request(Authorization=f"Bearer {TOKEN}"))).startswith(b"HTTP/1.1 200 ")


async def test_b11_a_client_of_wrong_tokens_gets_429_and_the_time_to_wait() -> None:
    """The holder of the token is served."""
    async with running() as port:
        for number in range(10):
            answer = await exchange(port, request(Authorization=f"Bearer guess-{number}"))
            assert answer.startswith(b"HTTP/1.1 401 ")
        answer = await exchange(port, request(Authorization="Bearer another"))
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nretry-after: 5\r\n" in answer.lower()
        assert (await exchange(port, request(Authorization=f"Bearer {TOKEN}"))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_b9_a_page_in_a_browser_is_refused_without_a_token(site: str) -> None:
    """Every local client may phone; a page is none."""
    async with running(token=None) as port:
        assert (await exchange(port, request(Sec_Fetch_Site=site))).startswith(b"HTTP/1.1 403 ")
        assert (await exchange(port, request(Host=f"127.0.0.1:{port}"))).startswith(b"HTTP/1.1 200 ")
