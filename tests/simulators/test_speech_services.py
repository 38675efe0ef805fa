"""The simulators of speech synthesis beyond one POST: Deepgram's, ElevenLabs' contexts, and OpenAI's reading aloud."""

import base64
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from simulators.tones import decode_all
from tests.simulators.service_process import running

NAMES = ("deepgram", "elevenlabs", "openai")
MULAW = {"encoding": "mulaw", "sample_rate": "8000", "container": "none", "model": "aura-2-thalia-en"}


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with ExitStack() as stack, ThreadPoolExecutor() as side_by_side:
        found = side_by_side.map(lambda name: stack.enter_context(running(f"simulators.{name}")), NAMES)
        yield dict(zip(NAMES, found, strict=True))


@pytest.fixture
async def http(urls: dict[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
        for url in urls.values():
            await session.delete(f"{url}/_sim/script")
            await session.delete(f"{url}/_sim/ledger")


def said(audio: bytes) -> list[str]:
    return [utterance.text for utterance in decode_all(audio)]


# --- Deepgram


async def test_deepgram_speaks_mulaw_without_a_container(urls: dict[str, str], http: aiohttp.ClientSession) -> None:
    headers = {"Authorization": "Token dg-test"}
    url = f"{urls['deepgram']}/v1/speak"
    async with http.post(url, params=MULAW, json={"text": "Good morning."}, headers=headers) as response:
        assert (response.status, said(await response.read())) == (200, ["Good morning."])
    async with http.get(f"{urls['deepgram']}/_sim/ledger") as response:
        body = await response.text()
    assert "dg-test" not in body


@pytest.mark.parametrize(
    ("query", "body", "authorization", "status", "code"),
    [
        (MULAW, {"text": "x"}, "Bearer dg-test", 401, "INVALID_AUTH"),
        (MULAW, {"text": " "}, "Token dg-test", 400, "INVALID_QUERY_PARAMETER"),
        (MULAW, {"text": "x" * 2001}, "Token dg-test", 413, "TEXT_TOO_LONG"),
        (MULAW | {"model": "nova-3"}, {"text": "x"}, "Token dg-test", 400, "INVALID_QUERY_PARAMETER"),
        (MULAW | {"sample_rate": "16000"}, {"text": "x"}, "Token dg-test", 400, "INVALID_QUERY_PARAMETER"),
    ],
)
async def test_deepgram_refuses_with_its_own_codes(
    urls: dict[str, str],
    http: aiohttp.ClientSession,
    query: dict[str, str],
    body: dict[str, str],
    authorization: str,
    status: int,
    code: str,
) -> None:
    url = f"{urls['deepgram']}/v1/speak"
    async with http.post(url, params=query, json=body, headers={"Authorization": authorization}) as response:
        assert (response.status, (await response.json())["err_code"]) == (status, code)


# --- ElevenLabs


@asynccontextmanager
async def contexts(
    urls: dict[str, str], http: aiohttp.ClientSession, key: str = "xi-test"
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"{urls['elevenlabs']}/v1/text-to-speech/v/multi-stream-input?output_format=ulaw_8000"
    async with http.ws_connect(url, headers={"xi-api-key": key}) as socket:
        yield socket


async def test_contexts_speak_side_by_side_and_end_when_they_are_closed(
    urls: dict[str, str], http: aiohttp.ClientSession
) -> None:
    heard: dict[str, bytes] = {"a": b"", "b": b""}
    ended: list[str] = []
    async with contexts(urls, http) as socket:
        for name in heard:
            await socket.send_json({"text": " ", "context_id": name})
            await socket.send_json({"text": f"Context {name}. ", "context_id": name, "flush": True})
            await socket.send_json({"context_id": name, "close_context": True})
        while len(ended) < 2:
            message = await socket.receive_json()
            if message.get("isFinal"):
                ended.append(message["contextId"])
            else:
                heard[message["contextId"]] += base64.b64decode(message["audio"])
    assert {name: said(audio) for name, audio in heard.items()} == {"a": ["Context a."], "b": ["Context b."]}


async def test_a_context_that_is_closed_again_drops_what_it_has_not_spoken(
    urls: dict[str, str], http: aiohttp.ClientSession
) -> None:
    rule = {"where": "context", "do": {"per_chunk_ms": 10_000}}
    await http.post(f"{urls['elevenlabs']}/_sim/script", json={"misbehave": [rule]})
    async with contexts(urls, http) as socket:
        await socket.send_json({"text": "A long sentence. ", "context_id": "a", "flush": True})
        await socket.receive_json()
        await socket.send_json({"context_id": "a", "close_context": True})
        await socket.send_json({"context_id": "a", "close_context": True})
        assert await socket.receive_json() == {"isFinal": True, "contextId": "a"}


async def test_the_sixth_context_closes_the_socket(urls: dict[str, str], http: aiohttp.ClientSession) -> None:
    async with contexts(urls, http) as socket:
        for number in range(6):
            await socket.send_json({"text": " ", "context_id": str(number)})
        assert (await socket.receive_json())["code"] == 1008
        await socket.receive()
        assert socket.close_code == 1008


async def test_a_wrong_key_is_reported_on_the_socket(urls: dict[str, str], http: aiohttp.ClientSession) -> None:
    await http.post(f"{urls['elevenlabs']}/_sim/script", json={"api_key": "another"})
    async with contexts(urls, http) as socket:
        assert (await socket.receive_json())["error"] == "invalid_api_key"


# --- OpenAI


@asynccontextmanager
async def session(
    urls: dict[str, str], http: aiohttp.ClientSession, **output: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"{urls['openai']}/v1/realtime?model=gpt-realtime-2.1-mini"
    async with http.ws_connect(url, headers={"Authorization": "Bearer sk-test"}) as socket:
        assert (await socket.receive_json())["type"] == "session.created"
        settings = {"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcmu"}, **output}}}
        await socket.send_json({"type": "session.update", "session": settings})
        yield socket


def reading(text: str, **more: Any) -> dict[str, Any]:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    response = {"conversation": "none", "input": [item], "metadata": {"name": "n"}, **more}
    return {"type": "response.create", "response": response}


async def test_a_text_is_read_and_written_down_before_its_audio(
    urls: dict[str, str], http: aiohttp.ClientSession
) -> None:
    kinds: list[str] = []
    written, audio = "", b""
    async with session(urls, http) as socket:
        confirmed = await socket.receive_json()
        assert confirmed["session"]["audio"]["output"]["format"] == {"type": "audio/pcmu"}
        await socket.send_json(reading("Good morning, world."))
        while not kinds or kinds[-1] != "response.done":
            event = await socket.receive_json()
            kinds.append(event["type"])
            written += event.get("delta", "") if "transcript.delta" in event["type"] else ""
            audio += base64.b64decode(event["delta"]) if event["type"] == "response.output_audio.delta" else b""
    assert (written, said(audio)) == ("Good morning, world.", ["Good morning, world."])
    assert kinds.index("response.output_audio.delta") > kinds.index("response.output_audio_transcript.delta")
    assert (event["response"]["status"], event["response"]["metadata"]) == ("completed", {"name": "n"})


async def test_a_response_is_cancelled_by_its_id(urls: dict[str, str], http: aiohttp.ClientSession) -> None:
    rule = {"where": "reading", "do": {"hang": True}}
    await http.post(f"{urls['openai']}/_sim/script", json={"misbehave": [rule]})
    async with session(urls, http) as socket:
        await socket.receive_json()
        await socket.send_json(reading("Good morning."))
        created = await socket.receive_json()
        await socket.send_json({"type": "response.cancel", "response_id": "another"})
        assert (await socket.receive_json())["error"]["code"] == "response_cancel_not_active"
        await socket.send_json({"type": "response.cancel", "response_id": created["response"]["id"]})
        assert (await socket.receive_json())["response"]["status"] == "cancelled"


@pytest.mark.parametrize("wrong", [{"voice": "nova"}, {"speed": 2}, {"format": {"type": "audio/mpeg"}}])
async def test_settings_that_realtime_does_not_have_are_refused(
    urls: dict[str, str], http: aiohttp.ClientSession, wrong: dict[str, Any]
) -> None:
    async with session(urls, http, **wrong) as socket:
        assert (await socket.receive_json())["error"]["type"] == "invalid_request_error"


# --- what all have in common


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_is_at_other_addresses_too(
    urls: dict[str, str], http: aiohttp.ClientSession, name: str
) -> None:
    """So that a client keeps a breaker for each of them."""
    path = {"deepgram": "/v1/speak", "elevenlabs": "/v1/text-to-speech/x/stream", "openai": "/v1/audio/speech"}[name]
    for address in ("", "/at/another"):
        async with http.post(f"{urls[name]}{address}{path}", json={}) as response:
            assert response.status in {400, 401}


@pytest.mark.parametrize("name", NAMES)
async def test_connections_are_counted_and_can_be_closed(urls: dict[str, str], name: str) -> None:
    """Of others, also those that wait for a next request."""
    async with aiohttp.ClientSession() as kept, aiohttp.ClientSession() as observer:
        await (await kept.get(f"{urls[name]}/_sim/health")).read()

        async def others() -> int:
            async with observer.get(f"{urls[name]}/_sim/connections") as response:
                return int((await response.json())["open"])

        assert await others() >= 1
        await observer.delete(f"{urls[name]}/_sim/connections")
        assert await others() == 0
