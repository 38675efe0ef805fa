"""The Python client against a real gateway: its answers, its exceptions, and its feed across lost sockets."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import ValidationError

from tests.fakes.redis_server import RedisServer, start_redis
from tests.gateway.conftest import TOKEN, System, stack
from voicecall.call.ids import CallId
from voicecall.client import AsyncVoicecall, Brief, CallRecord, GatewayDown, Refused, TokenRefused, Voicecall

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture
async def system(server: RedisServer) -> AsyncIterator[System]:
    async with stack(server.url) as opened:
        yield opened


@pytest.fixture
async def gateway(system: System) -> AsyncIterator[AsyncVoicecall]:
    async with AsyncVoicecall(system.url, token=TOKEN) as client:
        yield client


async def test_a_call_from_beginning_to_end(system: System, gateway: AsyncVoicecall) -> None:
    """Every method once, with typed answers."""
    call = await gateway.initiate("Hello", "+15550001234", mode="conversation", session_key="table")
    await gateway.speak(call, "One moment")
    await gateway.dtmf(call, "1#")
    asking = asyncio.create_task(gateway.continue_(call, "And you?"))
    await system.worker.asks(CallId(call))
    await system.worker.hear(CallId(call), "Fine")
    assert await asking == "Fine"
    assert [live.call_id for live in await gateway.calls()] == [call]
    await gateway.end(call)
    record = await gateway.status(call)
    assert isinstance(record, CallRecord)
    assert (record.call_id, record.state, record.is_over, record.to) == (call, "hangup-bot", True, "+15550001234")
    assert (record.session_key, record.metadata.mode, record.metadata.turn_count) == (
        "agent:main:table",
        "conversation",
        1,
    )
    assert [(line.speaker, line.text) for line in record.transcript][-2:] == [("bot", "And you?"), ("user", "Fine")]
    assert await gateway.calls() == ()
    assert await gateway.status(UNKNOWN) is None
    again = await gateway.start("+15550001234", mode="notify", idempotency_key="k")
    assert await gateway.start("+15550001234", mode="notify", idempotency_key="k") == again


async def test_a_refusal_has_its_code_and_its_call(gateway: AsyncVoicecall) -> None:
    """The code, the message, and the call whose status to query."""
    with pytest.raises(Refused, match="Call not found") as refused:
        await gateway.speak(UNKNOWN, "Hi")
    assert (refused.value.code, refused.value.call_id, refused.value.retryable) == ("NOT_FOUND", UNKNOWN, False)
    for _ in range(5):
        await gateway.initiate("Hello")
    with pytest.raises(Refused) as full:
        await gateway.initiate("Hello")
    assert (full.value.code, full.value.retry_after_ms, full.value.retryable) == ("RESOURCE_EXHAUSTED", 1000, True)


async def test_a_wrong_token_and_an_unreachable_gateway_are_different_errors(system: System) -> None:
    """The first is fixed in the client's configuration, the second at the gateway."""
    async with AsyncVoicecall(system.url, token="wrong") as unknown:
        with pytest.raises(TokenRefused):
            await unknown.calls()
        with pytest.raises(TokenRefused):
            await anext(aiter(unknown.feed()))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with AsyncVoicecall(f"http://127.0.0.1:{bound.getsockname()[1]}", token="x") as unreachable:
            with pytest.raises(GatewayDown, match="Connection refused"):
                await unreachable.calls()
            with pytest.raises(GatewayDown, match="Connection refused"):
                await anext(aiter(unreachable.feed()))


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0\r\n",
    ],
)
async def test_a_server_that_is_no_gateway_raises_gateway_down(reply: bytes) -> None:
    """The answer of another server is never taken for a gateway's."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, AsyncVoicecall(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", token="x") as client:
        with pytest.raises(GatewayDown):
            await client.calls()


@pytest.mark.parametrize("url", ["localhost:3335", "ftp://x", "http://", "://", "voicecall"])
def test_an_invalid_address_is_refused_at_once(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="is not an absolute http"):
        AsyncVoicecall(url)


async def test_the_feed_continues_after_a_restart_of_the_gateway(server: RedisServer) -> None:
    """Past items, then live ones, without gap or repetition across a restart; the loss is reported."""
    losses: list[str] = []
    async with contextlib.AsyncExitStack() as opened:
        client = await opened.enter_async_context(AsyncVoicecall("http://127.0.0.1:1", token=TOKEN))
        async with stack(server.url) as system:
            port = int(system.url.rpartition(":")[2])
            client = await opened.enter_async_context(AsyncVoicecall(system.url, token=TOKEN))
            call = await client.initiate("Hello", mode="conversation")
            feed = client.feed(last=1000, call_id=call, on_loss=losses.append)
            seen = [await anext(feed)]
            while not any(event.type == "Answered" for event in seen[-1].events):
                seen.append(await anext(feed))
        async with stack(server.url, keep=True, port=port):
            await client.end(call)
            while seen[-1].state != "hangup-bot":
                seen.append(await anext(feed))
        await feed.aclose()
    numbers = [event.seq for item in seen for event in item.events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert seen[0].events[0].type == "Placed"
    assert (seen[0].events[0].model_extra or {})["message"] == "Hello"
    assert losses


async def test_the_blocking_client_works_beside_a_running_loop(system: System) -> None:
    """It has an event loop of its own. A closed client raises RuntimeError."""

    def program() -> list[str]:
        with Voicecall(system.url, token=TOKEN) as gateway:
            call = gateway.initiate("Hello", mode="conversation")
            gateway.speak(call, "One moment")
            gateway.dtmf(call, "5")
            gateway.end(call)
            record = gateway.status(call)
            assert record is not None
            assert gateway.calls() == ()
            with pytest.raises(Refused, match="Call has ended"):
                gateway.continue_(call, "Still there?")
            feed = gateway.feed(last=1000, call_id=call)
            kinds: list[str] = []
            while "EndAsked" not in kinds:
                kinds += [event.type for event in next(feed).events]
            feed.close()
        gateway.close()
        with pytest.raises(RuntimeError, match="was closed"):
            gateway.calls()
        return kinds

    kinds = await asyncio.to_thread(program)
    assert kinds[0] == "Placed"
    assert not any(thread.name == "voicecall-client" for thread in threading.enumerate())


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the command line; no other variable is read."""
    monkeypatch.setenv("VOICECALL_GATEWAY_URL", "http://gateway.example:1234/")
    assert AsyncVoicecall().url == "http://gateway.example:1234"
    monkeypatch.delenv("VOICECALL_GATEWAY_URL")
    assert AsyncVoicecall().url == "http://127.0.0.1:3335"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"task": " "},
        {"task": "x" * 2001},
        {"task": "x", "context": "x" * 4001},
        {"task": "x", "disclosures": ["x"] * 21},
        {"task": "x", "voicemailMessage": "x" * 1001},
        {"task": "x", "maxDurationSeconds": 0},
        {"task": "x", "colour": "blue"},
        {"task": "x" * 2000, "context": "x" * 4000, "identity": "x" * 500, "disclosures": ["x" * 1000, "x" * 501]},
    ],
)
def test_an_invalid_brief_is_refused_when_it_is_built(wrong: dict[str, object]) -> None:
    """By the same type that the gateway uses."""
    with pytest.raises(ValidationError):
        Brief.model_validate(wrong)
