"""A kept connection that the service has closed costs no request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest

from tests.agents.test_llm import ASKED
from voicecall.agents.llm import ChatModel
from voicecall.audio.formats import MULAW_8K
from voicecall.errors import ServiceError
from voicecall.http_client import post
from voicecall.speech.tts.http_audio import SynthesisRequest, SynthesisTimeouts, audio_of

Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Service:
    """Answers the first request of each connection, and closes the connection when a second one arrives.

    To the client this is a service that closed an idle connection while the request was on its way. `closes_first`:
    that many connections are closed at their first request. `requests`: the number of each on its connection.
    """

    def __init__(self, body: bytes, content_type: bytes, closes_first: int = 0) -> None:
        self._answer = _HEAD % (content_type, len(body), body)
        self._closes_first = closes_first
        self.requests: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for number in (1, 2):
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                self.requests.append(number)
                if number == 2 or len(self.requests) <= self._closes_first:
                    return
                writer.write(self._answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as http:
        yield http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a7_a_request_on_a_closed_connection_is_sent_once_more_on_a_fresh_one() -> None:
    service = Service(b"ok", b"text/plain")
    async with served(service) as (http, url):
        for _ in range(2):
            async with await post(http, url, data=b"x", headers={}, timeout=_TIMEOUT) as response:
                assert await response.read() == b"ok"
    assert service.requests == [1, 2, 1]


async def test_a7_the_agent_replies_on_a_fresh_connection() -> None:
    service = Service(b'{"choices": [{"message": {"content": "Noon."}}]}', b"application/json")
    async with served(service) as (http, url):
        model = ChatModel(http, base_url=url, api_key="k", model="m")
        for _ in range(2):
            assert [piece async for piece in model.reply(ASKED)] == ["Noon."]
    assert service.requests == [1, 2, 1]


async def test_a7_a_voice_speaks_on_a_fresh_connection() -> None:
    service = Service(b"\x7f" * 800, b"audio/basic")
    async with served(service) as (http, url):
        request = SynthesisRequest(
            service="x-tts", url=url, headers={}, body={"text": "a"}, audio=MULAW_8K, longest_s=10
        )
        for _ in range(2):
            async with aclosing(audio_of(http, request, SynthesisTimeouts())) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == b"\x7f" * 800
    assert service.requests == [1, 2, 1]


async def test_a7_a_service_that_closes_every_connection_is_not_asked_for_ever() -> None:
    """Each request is sent once more, and an agent is given one more try."""
    service = Service(b"ok", b"text/plain", closes_first=9)
    async with served(service) as (http, url):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await post(http, url, data=b"x", headers={}, timeout=_TIMEOUT)
        with pytest.raises(ServiceError, match="connection failed") as caught:
            _ = [piece async for piece in ChatModel(http, base_url=url, api_key=None, model="m").reply(ASKED)]
    assert caught.value.retryable
    assert len(service.requests) == 6


async def test_a7_an_address_that_refuses_connections_is_tried_once() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await post(http, "http://127.0.0.1:9", data=b"x", headers={}, timeout=_TIMEOUT)


async def test_a7_an_answer_that_breaks_off_is_not_asked_for_again() -> None:
    """What was received has been spoken; nothing of half a line has."""
    line = b'data: {"choices": [{"delta": {"content": "Noon. "}}]}\n\n'
    assert [await requests_of(part) for part in (line, line[:9])] == [1, 2]


async def requests_of(part: bytes) -> int:
    """How often a model is asked whose answer breaks off behind `part`."""
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + part)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(ServiceError):
            _ = [piece async for piece in ChatModel(http, base_url=url, api_key=None, model="m").reply(ASKED)]
    return requests
