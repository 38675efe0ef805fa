"""The probes of every role: one shape, one meaning."""

import asyncio
import socket

import aiohttp
import pytest

from voicecall.health import serving
from voicecall.settings import ListenAddress

ANY = ListenAddress("127.0.0.1", 0)


async def test_ready_and_alive_is_200_and_otherwise_503_with_the_reason() -> None:
    """A load balancer reads the status, an operator the reason."""
    reasons = {"ready": "", "live": ""}
    async with (
        serving(ANY, lambda: reasons["ready"], lambda: reasons["live"]) as (host, port),
        aiohttp.ClientSession(f"http://{host}:{port}") as http,
    ):

        async def answer(path: str) -> tuple[int, str]:
            async with http.get(path) as response:
                assert "Server" not in response.headers
                return response.status, await response.text()

        assert (await answer("/livez"), await answer("/readyz")) == ((200, "ok"), (200, "ok"))
        reasons["ready"] = "redis"
        assert (await answer("/livez"), await answer("/readyz")) == ((200, "ok"), (503, "redis"))
        reasons["live"] = "stuck"
        assert await answer("/livez") == (503, "stuck")


async def test_metrics_are_in_the_text_format_of_prometheus() -> None:
    async with (
        serving(ANY, lambda: "") as (host, port),
        aiohttp.ClientSession() as http,
        http.get(f"http://{host}:{port}/metrics") as response,
    ):
        assert response.content_type == "text/plain"
        assert "# TYPE voice_" in await response.text()


async def test_an_address_that_is_taken_is_an_os_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            async with serving(ListenAddress("127.0.0.1", taken.getsockname()[1]), lambda: ""):
                pass


@pytest.mark.parametrize(
    "junk",
    [
        b"GET /readyz?token=s3cret HTTP/2.0.0\r\n\r\n",
        b"GET / HTTP/9.9\r\nAuthorization: Bearer s3cret\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
async def test_b7_what_is_not_http_is_one_quiet_400(junk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """By itself, aiohttp repeats the request line, names its version, and logs the head with a bearer token in it."""
    async with serving(ANY, lambda: "") as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(junk)
        answer = await reader.read()
        writer.close()
    assert b" 400 Bad Request\r\n" in answer
    assert answer.endswith(b"\r\n\r\nBad Request")
    assert not any(word in answer for word in (b"aiohttp", b"Python", b"s3cret", b"readyz"))
    assert caplog.records == []


async def test_b8_silent_connections_are_few_and_the_longest_silent_one_goes() -> None:
    async with serving(ANY, lambda: "") as (host, port):
        silent = [await asyncio.open_connection(host, port) for _ in range(200)]
        assert await end_of(silent[0][0]) == b""
        async with aiohttp.ClientSession() as http, http.get(f"http://{host}:{port}/livez") as response:
            assert response.status == 200
        for _, writer in silent:
            writer.close()


async def end_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
