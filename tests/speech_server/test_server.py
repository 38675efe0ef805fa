"""The speech server with our own adapters: what a caller says is heard, and requests that are wrong are refused."""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.speech.test_recognition import CALL, Ears, feed
from tests.speech_server.conftest import Server, running
from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.events import Heard, SpeechStarted, SpeechStopped
from voicecall.errors import ServiceError
from voicecall.manifests.offline import OfflineRecognition, OfflineVoice
from voicecall.ports import SttSession
from voicecall.speech.stt import offline as stt
from voicecall.speech.stt.recognition import Recognition
from voicecall.speech.tts import offline as tts
from voicecall.speech.tts.openai import Voice
from voicecall.speech.tts.patience import SynthesisTimeouts

SAID = (
    "What are your opening hours on Sunday?",
    "I would like to book a table for four, please.",
    "Could I have two bowls of soup?",
    "How is my order?",
    "I will collect it myself.",
    "Thank you very much, goodbye.",
)
SILENCE = SILENT_FRAME * 60
SPEECH = {"model": "hibari", "input": "Hello there.", "voice": "heart", "response_format": "pcm"}


def voice_of(server: Server, http: aiohttp.ClientSession, **block: Any) -> Voice:
    made = OfflineVoice.model_validate({"baseUrl": f"{server.url}/v1", **block})
    return tts.build(made, SynthesisTimeouts(first_audio_s=20, stall_s=20), http)


async def spoken(server: Server, http: aiohttp.ClientSession, text: str, **block: Any) -> bytes:
    return b"".join([chunk async for chunk in voice_of(server, http, **block).speak(text)])


@asynccontextmanager
async def listening(
    server: Server, http: aiohttp.ClientSession, **block: Any
) -> AsyncIterator[tuple[SttSession, Ears]]:
    made = OfflineRecognition.model_validate({"baseUrl": f"{server.url}/v1", **block})
    recognition, ears = Recognition([stt.build(made, http)]), Ears()
    session = await recognition.open(CALL, ears, ears.partials.append)
    try:
        yield session, ears
    finally:
        await recognition.close()


@asynccontextmanager
async def socket_of(server: Server, http: aiohttp.ClientSession) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with http.ws_connect(f"{server.url}/v1/realtime?intent=transcription") as socket:
        assert (await socket.receive_json())["type"] == "session.created"
        yield socket


async def answer_to(socket: aiohttp.ClientWebSocketResponse, event: Any) -> dict[str, Any]:
    await socket.send_str(event if isinstance(event, str) else json.dumps(event))
    answer: dict[str, Any] = await socket.receive_json()
    return answer


def update(**heard: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": heard}}}


def append(mulaw: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(mulaw).decode()})


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


# --- a voice that is heard


@pytest.mark.parametrize("voice", ["heart", "low"])
async def test_what_is_spoken_is_heard_again_over_a_telephone_line(
    server: Server, http: aiohttp.ClientSession, voice: str
) -> None:
    """Text, 24 kHz, 8 kHz mu-law, text: a small model mishears a word now and then."""
    async with listening(server, http) as (session, ears):
        for text in SAID:
            feed(session, await spoken(server, http, text, voice=voice) + SILENCE)
        heard = await ears.texts(len(SAID))
    right = [words(text) == words(said) for text, said in zip(heard, SAID, strict=True)]
    assert sum(right) >= 4, heard
    assert [ears.kinds.count(kind) for kind in (SpeechStarted, SpeechStopped, Heard)] == [len(SAID)] * 3


async def test_the_same_text_is_the_same_audio(server: Server, http: aiohttp.ClientSession) -> None:
    assert await spoken(server, http, SAID[0]) == await spoken(server, http, SAID[0])
    assert len(await spoken(server, http, SAID[0], speed=2)) < 0.7 * len(await spoken(server, http, SAID[0]))


async def test_a_caller_who_pauses_is_heard_so_far(server: Server, http: aiohttp.ClientSession) -> None:
    """The pause is shorter than the one that ends an utterance."""
    first, rest = await spoken(server, http, "I would like a table"), await spoken(server, http, "in the garden.")
    async with listening(server, http, silenceDurationMs=2000) as (session, ears):
        feed(session, first + SILENT_FRAME * 20)
        await asyncio.sleep(1)
        feed(session, rest)
        async with asyncio.timeout(30):
            while not ears.partials:  # noqa: ASYNC110  another process makes them
                await asyncio.sleep(0.05)
        feed(session, SILENCE * 2)
        (whole,) = await ears.texts(1)
    assert words(ears.partials[0].text) == words("I would like a table")
    assert words(whole) == words("I would like a table in the garden")


async def test_the_first_sentence_is_sent_before_the_last_is_made(server: Server, http: aiohttp.ClientSession) -> None:
    """Also of a text without any full stop, which the model would take minutes for as a whole."""
    text = "hello and " * 400
    async with aclosing(voice_of(server, http).speak(text)) as audio:
        first = await anext(audio)
    assert 0 < len(first) < 30 * 8000


async def test_a_client_that_goes_away_ends_the_work(server: Server, http: aiohttp.ClientSession) -> None:
    """Others are served at once: nothing of the long text is made for nobody."""
    for _ in range(8):
        async with aclosing(voice_of(server, http).speak("hello and " * 400)) as audio:
            await anext(audio)
    async with asyncio.timeout(20):
        assert await spoken(server, http, "Hello.")


async def test_a_caller_whose_socket_is_cut_costs_nobody_anything(server: Server, http: aiohttp.ClientSession) -> None:
    audio = await spoken(server, http, SAID[0])
    for _ in range(4):
        async with socket_of(server, http) as socket:
            await answer_to(socket, update(format={"type": "audio/pcmu"}))
            await socket.send_str(append(audio + SILENCE))
            assert socket._response.connection is not None
            assert socket._response.connection.transport is not None
            socket._response.connection.transport.abort()
    async with listening(server, http) as (session, ears):
        feed(session, audio + SILENCE)
        assert [words(text) for text in await ears.texts(1)] == [words(SAID[0])]


async def test_a_client_may_commit_each_utterance_itself(server: Server, http: aiohttp.ClientSession) -> None:
    """Also one that sends 24 kHz PCM, which is the protocol's default."""
    async with http.post(f"{server.url}/v1/audio/speech", json={**SPEECH, "input": SAID[0]}) as answer:
        pcm = await answer.read()
    async with socket_of(server, http) as socket:
        await answer_to(socket, update(transcription={"model": "tiny.en"}, turn_detection=None))
        await socket.send_str(append(pcm))
        await socket.send_str('{"type":"input_audio_buffer.commit"}')
        events = [await socket.receive_json() for _ in range(4)]
    assert [event["type"].split(".")[-1] for event in events] == ["committed", "added", "done", "completed"]
    assert words(events[-1]["transcript"]) == words(SAID[0])


async def test_noise_has_no_words(server: Server, http: aiohttp.ClientSession) -> None:
    """Every byte is a sample of mu-law, so garbage is loud noise; the next sentence is heard all the same."""
    audio = await spoken(server, http, SAID[3])
    async with socket_of(server, http) as socket:
        await answer_to(socket, update(format={"type": "audio/pcmu"}, turn_detection=None))
        for sound in (bytes(range(256)) * 60, audio):
            await socket.send_str(append(sound))
            await socket.send_str('{"type":"input_audio_buffer.commit"}')
        order, found = [], {}
        while len(found) < 2:
            event = await socket.receive_json()
            if event["type"].endswith("committed"):
                order.append(event["item_id"])
            if event["type"].endswith("completed"):
                found[event["item_id"]] = event["transcript"]
    noise, sentence = (found[item] for item in order)
    assert words(sentence) == words(SAID[3])
    assert len(words(noise)) <= 3


# --- bad input


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"voice": "carlotta"}, "voice"),
        ({"voice": None}, "voice"),
        ({"input": ""}, "input"),
        ({"input": " \n"}, "input"),
        ({"input": 7}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"input": "你好"}, "input"),
        ({"input": "!!! …"}, "input"),
        ({"response_format": "mp3"}, "response_format"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"speed": 9}, "speed"),
        ({"speed": "fast"}, "speed"),
    ],
)
async def test_a_text_that_cannot_be_spoken_is_refused(
    server: Server, http: aiohttp.ClientSession, change: dict[str, Any], param: str
) -> None:
    """In the protocol's form, with what is wrong; nothing of the text is repeated."""
    async with http.post(f"{server.url}/v1/audio/speech", json={**SPEECH, **change}) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'"text"'])
async def test_a_body_that_is_no_request_is_refused(server: Server, http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post(f"{server.url}/v1/audio/speech", data=body) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (400, "invalid_request_error")


async def test_a_huge_body_is_refused(server: Server, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{server.url}/v1/audio/speech", data=b"x" * 1_000_000) as answer:
        assert (answer.status, "error" in await answer.json()) == (413, True)


@pytest.mark.parametrize(
    "text", ["9" * 4096, "https://" + "a.b/" * 1000, "7:30 " * 800, "\x00\x1b\ud800 hello", "$" * 4096]
)
async def test_any_text_is_spoken_or_refused_soon(server: Server, http: aiohttp.ClientSession, text: str) -> None:
    body = json.dumps({**SPEECH, "input": text})
    async with asyncio.timeout(30), http.post(f"{server.url}/v1/audio/speech", data=body) as answer:
        assert answer.status in {200, 400}
        assert await answer.content.readany()


async def test_our_adapter_reports_a_refusal_for_good(server: Server, http: aiohttp.ClientSession) -> None:
    with pytest.raises(ServiceError) as refusal:
        await spoken(server, http, "Hello.", voice="carlotta")
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ("nonsense", "invalid_json", None),
        ("[1]", "invalid_json", None),
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"type": "input_audio_buffer.append"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "!?"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.commit"}, "invalid_state", None),
        ({"type": "session.update"}, "invalid_type", "session"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", "session.type"),
        (update(format={"type": "audio/mp3"}), "invalid_value", "session.audio.input.format.type"),
        (update(format={"type": "audio/pcm", "rate": 16000}), "invalid_value", "session.audio.input.format.rate"),
        (update(format={"type": "audio/pcmu", "rate": 16000}), "invalid_value", "session.audio.input.format.rate"),
        (update(transcription={}), "invalid_value", "session.audio.input.transcription.model"),
        (
            update(transcription={"model": "tiny.en", "language": "de"}),
            "unsupported_language",
            "session.audio.input.transcription.language",
        ),
        (update(turn_detection={"type": "semantic_vad"}), "invalid_value", "session.audio.input.turn_detection.type"),
        (
            update(turn_detection={"type": "server_vad", "threshold": 7}),
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
    ],
)
async def test_an_event_that_cannot_be_used_is_answered(
    server: Server, http: aiohttp.ClientSession, event: Any, code: str, param: str | None
) -> None:
    """And the session goes on."""
    async with socket_of(server, http) as socket:
        answer = await answer_to(socket, event)
        assert (answer["type"], answer["error"]["code"], answer["error"]["param"]) == ("error", code, param)
        assert (await answer_to(socket, update()))["type"] == "session.updated"


async def test_binary_messages_and_empty_commits_are_answered(server: Server, http: aiohttp.ClientSession) -> None:
    async with socket_of(server, http) as socket:
        await socket.send_bytes(b"\xff" * 160)
        assert (await socket.receive_json())["error"]["code"] == "invalid_json"
        await answer_to(socket, update(turn_detection=None))
        answer = await answer_to(socket, {"type": "input_audio_buffer.commit"})
        assert answer["error"]["code"] == "input_audio_buffer_commit_empty"


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/realtime?intent=conversation"])
async def test_what_is_not_served_is_refused_in_the_protocol_s_form(
    server: Server, http: aiohttp.ClientSession, path: str
) -> None:
    async with http.get(f"{server.url}{path}") as answer:
        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "intent")
    async with http.get(f"{server.url}/v1/files") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")


# --- who may use it


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Host": "rebound.evil.example"}]
)
async def test_web_pages_are_refused(server: Server, http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    async with http.post(f"{server.url}/v1/audio/speech", json=SPEECH, headers=headers) as answer:
        assert answer.status == 403


async def test_with_a_token_only_its_holder_is_served(http: aiohttp.ClientSession) -> None:
    """And the health probes say that it is ready."""
    with running(VOICECALL_SPEECH_TOKEN="a-token-of-many-letters", VOICECALL_SPEECH_THREADS="1") as server:
        for key, status in (("", 401), ("another", 401), ("a-token-of-many-letters", 200)):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            async with http.post(f"{server.url}/v1/audio/speech", json=SPEECH, headers=headers) as answer:
                assert answer.status == status
        assert await spoken(server, http, "Hello.", apiKey="a-token-of-many-letters")
        async with http.get(f"{server.url}/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        assert {json.loads(line)["role"] for line in server.lines} == {"speech-server"}
        assert "a-token-of-many-letters" not in "".join(server.lines)


def test_another_address_than_loopback_needs_a_token() -> None:
    environ = {**os.environ, "VOICECALL_SPEECH_LISTEN": "0.0.0.0:0", "VOICECALL_SPEECH_TOKEN": "short"}
    done = subprocess.run(
        [sys.executable, "-m", "voicecall.speech_server"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 78
    assert "VOICECALL_SPEECH_TOKEN, 16 characters or more" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_log_has_no_words(server: Server) -> None:
    """Of callers and agents."""
    assert not any("order" in line or "soup" in line for line in server.lines)
