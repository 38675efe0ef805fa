"""What is no proper HTTP, or could be read differently by a proxy, gets one quiet answer from every server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import pytest
import pytest_asyncio

from tests.fakes.redis_server import start_redis
from tests.gateway.conftest import stack
from tests.ingress.harness import running_ingress
from tests.test_mcp_http import running
from voicecall.health import serving
from voicecall.settings import ListenAddress

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARK: Final = b"s3cret-of-the-request"
HOST: Final = b"Host: 127.0.0.1"
TOKEN: Final = b"Authorization: Bearer " + MARK
JSON: Final = b"Content-Type: application/json"
LENGTH: Final = b"Content-Length: 2"


def head(line: bytes, *lines: bytes, end: bytes = b"\r\n") -> bytes:
    return end.join((line, *lines, end))


def get(line: bytes, *lines: bytes, end: bytes = b"\r\n") -> bytes:
    return head(line, HOST, TOKEN, *lines, end=end)


def post(*lines: bytes, body: bytes = b"{}") -> bytes:
    return head(b"POST /rpc HTTP/1.1", HOST, JSON, *lines) + body


NOT_HTTP: Final = {
    "lower-case": get(b"get /livez HTTP/1.1"),
    "odd-method": get(b"GE<T> /livez HTTP/1.1"),
    "http-0.9": b"GET /livez?" + MARK + b"\r\n\r\n",
    "http-1.9": get(b"GET /livez HTTP/1.9"),
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": bytes.fromhex("160301020001000a") + b"\r\n\r\n",
    "no-slash": get(b"GET livez HTTP/1.1"),
    "bare-lf": get(b"GET /livez HTTP/1.1", end=b"\n"),
    "folded": get(b"GET /livez HTTP/1.1", b"X-A: a", b" b"),
    "nul": get(b"GET /livez HTTP/1.1", b"X-A: a\x00b"),
    "space-before-colon": get(b"GET /livez HTTP/1.1", b"X-A : a"),
    "long-head": get(b"GET /livez HTTP/1.1", *[b"X-A: " + b"a" * 4_000] * 10),
    "chunk-size": post(b"Transfer-Encoding: chunked", body=b"zz\r\n\r\n0\r\n\r\n"),
    "two-lengths": post(LENGTH, b"Content-Length: 3"),
    "length-and-chunks": post(LENGTH, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "two-hosts": post(b"Host: other.example", LENGTH),
}
AMBIGUOUS: Final = {
    "two-types": post(b"Content-Type: text/plain", LENGTH),
    "two-tokens": post(TOKEN, b"Authorization: Bearer x", LENGTH),
    "two-sites": post(b"Sec-Fetch-Site: none", b"Sec-Fetch-Site: cross-site", LENGTH),
    "two-origins": post(b"Origin: http://127.0.0.1", b"Origin: http://a.example", LENGTH),
}
UNSUPPORTED: Final = {
    "expect": (post(b"Expect: " + MARK, LENGTH), 417),
    "no-gzip": (post(b"Content-Encoding: gzip", b"Content-Length: 5", body=b"abcde"), 415),
    "brotli": (post(b"Content-Encoding: br", b"Content-Length: 5", body=b"abcde"), 415),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ports(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, int]]:
    """The port of each server, none of which asks for a token."""
    redis = start_redis(tmp_path_factory.mktemp("redis"))
    async with AsyncExitStack() as opened:
        opened.callback(redis.stop)
        gateway = await opened.enter_async_context(stack(redis.url, token=None, working=False))
        _, health = await opened.enter_async_context(serving(ListenAddress("127.0.0.1", 0), lambda: "", role="ingress"))
        ingress = await opened.enter_async_context(running_ingress())
        mcp = await opened.enter_async_context(running(token=None))
        yield {"gateway": int(gateway.url.rpartition(":")[2]), "health": health, "ingress": ingress.port, "mcp": mcp}


async def answer_of(port: int, data: bytes) -> tuple[int, bytes, bytes]:
    """Status, body and the whole answer; the server closes after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        answer = await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2], answer


def assert_quiet(answer: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    for banner in (b"aiohttp", b"Python", b"uvicorn", MARK):
        assert banner not in answer
    printed = "".join(capfd.readouterr())
    assert MARK.decode() not in printed + caplog.text
    assert "Traceback" not in printed
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("name", NOT_HTTP)
@pytest.mark.parametrize("server", ["gateway", "health", "ingress", "mcp"])
async def test_b7_what_is_no_http_is_one_quiet_400(
    ports: dict[str, int], server: str, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of several parsers one was lenient, and one repeated and logged what it got."""
    status, body, answer = await answer_of(ports[server], NOT_HTTP[name])
    assert (status, body) == (400, b"Bad Request")
    assert_quiet(answer, caplog, capfd)


@pytest.mark.parametrize("name", AMBIGUOUS)
@pytest.mark.parametrize("server", ["gateway", "health", "mcp"])
async def test_b14_a_repeated_header_that_decides_is_a_400(
    ports: dict[str, int], server: str, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The gateway believed the first of two tokens and origins, the MCP server the last."""
    status, body, answer = await answer_of(ports[server], AMBIGUOUS[name])
    assert (status, body) == (400, b"Bad Request")
    assert_quiet(answer, caplog, capfd)


@pytest.mark.parametrize("name", UNSUPPORTED)
@pytest.mark.parametrize("server", ["gateway", "health", "mcp"])
async def test_b7_what_is_not_served_is_neither_repeated_nor_a_traceback(
    ports: dict[str, int], server: str, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A body that was no gzip was a 500 with a traceback in the log, an unknown expectation came back in the answer."""
    data, expected = UNSUPPORTED[name]
    status, _, answer = await answer_of(ports[server], data)
    assert status == expected
    assert_quiet(answer, caplog, capfd)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((b"Host: EVIL.example",), 421),
        ((b"Host: 127.0.0.1.evil.example",), 421),
        ((b"Host: LOCALHOST.:3337",), 400),
        ((b"Host: [::1]",), 400),
        ((HOST, b"Origin: null"), 403),
        ((HOST, b"Origin:"), 403),
        ((HOST, b"Origin: http://127.0.0.1:1"), 403),
        ((HOST, b"Sec-Fetch-Site: same-site"), 403),
        ((HOST, b"Sec-Fetch-Site: none"), 400),
    ],
)
async def test_b9_a_page_at_the_mcp_server_is_known_by_any_spelling(
    ports: dict[str, int], lines: tuple[bytes, ...], status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """400 is the protocol's own answer, for a body that is no JSON-RPC."""
    data = head(b"POST /mcp HTTP/1.1", *lines, JSON, b"Accept: application/json, text/event-stream", LENGTH)
    got, _, _ = await answer_of(ports["mcp"], data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"{}")
    assert got == status
    assert capfd.readouterr() == ("", "")


async def test_b7_a_client_that_goes_away_within_a_body_is_no_traceback(
    ports: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    for server, path in (("mcp", b"/mcp"), ("gateway", b"/rpc")):
        _, writer = await asyncio.open_connection("127.0.0.1", ports[server])
        writer.write(head(b"POST " + path + b" HTTP/1.1", HOST, JSON, b"Content-Length: 50") + b"{")
        await asyncio.sleep(0.1)  # the request is being read
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.1)
    assert "Traceback" not in "".join(capfd.readouterr())
