"""The probes of every role: one shape, one meaning."""

import asyncio
import socket

import aiohttp
import pytest

from voicecall.health import serving
from voicecall.settings import ListenAddress

ANY = ListenAddress("127.0.0.1", 0)
READER = "a-token-that-only-reads"


async def test_ready_and_alive_is_200_and_otherwise_503_with_the_reason() -> None:
    """A load balancer reads the status, an operator the reason."""
    reasons = {"ready": "", "live": ""}
    async with (
        serving(ANY, lambda: reasons["ready"], lambda: reasons["live"], role="ingress") as (host, port),
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
        serving(ANY, lambda: "", role="ingress") as (host, port),
        aiohttp.ClientSession() as http,
        http.get(f"http://{host}:{port}/metrics") as response,
    ):
        assert response.content_type == "text/plain"
        assert "# TYPE voicecall_" in await response.text()


async def statuses(host: str, *requests: dict[str, str], tokens: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """The answers of a server on `host` to requests of `/metrics` with these headers; no page but its first words."""
    answers = []
    async with (
        serving(ListenAddress(host, 0), lambda: "", role="ingress", tokens=tokens) as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        for headers in requests:
            async with http.get("/metrics", headers=headers) as response:
                text = await response.text()
                answers.append((response.status, "page" if "# TYPE voicecall_" in text else text.strip()))
        for probe in ("/livez", "/readyz"):
            async with http.get(probe, headers={"Host": "any.example"}) as response:
                assert response.status == 200
    return answers


async def test_b11_metrics_on_loopback_are_not_for_pages_and_rebound_names() -> None:
    refused, ok = [403, 403, 403, 403], (200, "page")
    assert [
        status
        for status, _ in await statuses(
            "127.0.0.1",
            {"Host": "rebound.evil.example:3336"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        )
    ] == refused
    assert await statuses("127.0.0.1", {}, {"Host": "ingress:3336"}, {"Sec-Fetch-Site": "none"}) == [ok] * 3


async def test_b11_metrics_off_loopback_need_a_token_that_reads() -> None:
    bearer = {"Authorization": f"Bearer {READER}"}
    answers = await statuses(
        "0.0.0.0", {}, {"Authorization": "Bearer x"}, bearer, {**bearer, "Host": "a.example"}, tokens=(READER,)
    )
    assert [status for status, _ in answers] == [401, 401, 200, 200]


async def test_b11_metrics_off_loopback_without_a_token_say_which_variable_to_set() -> None:
    ((status, text),) = await statuses("0.0.0.0", {"Authorization": "Bearer "})
    assert status == 403
    assert "set VOICECALL_GATEWAY_READ_TOKEN, 16 characters or more, in the environment of this process" in text


async def test_b11_guesses_at_the_metrics_are_few() -> None:
    guesses = [{"Authorization": f"Bearer guess-{number}"} for number in range(11)]
    answers = await statuses("0.0.0.0", *guesses, {"Authorization": f"Bearer {READER}"}, tokens=(READER,))
    assert [status for status, _ in answers] == [401] * 10 + [429, 200]


async def test_an_address_that_is_taken_is_an_os_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            async with serving(ListenAddress("127.0.0.1", taken.getsockname()[1]), lambda: "", role="ingress"):
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
    async with serving(ANY, lambda: "", role="ingress") as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(junk)
        answer = await reader.read()
        writer.close()
    assert b" 400 Bad Request\r\n" in answer
    assert answer.endswith(b"\r\n\r\nBad Request")
    assert not any(word in answer for word in (b"aiohttp", b"Python", b"s3cret", b"readyz"))
    assert caplog.records == []


async def test_b8_silent_connections_are_few_and_the_longest_silent_one_goes() -> None:
    async with serving(ANY, lambda: "", role="ingress") as (host, port):
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
