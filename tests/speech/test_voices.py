"""Voices over real sockets: against the simulators, and against services that break the protocol."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simulators.tones import decode_all
from tests.simulators.service_process import running
from voicecall.errors import ServiceError
from voicecall.ports import TextToSpeech
from voicecall.settings import Settings
from voicecall.speech.registry import tts_for
from voicecall.speech.tts import elevenlabs, openai
from voicecall.speech.tts.clip import apology
from voicecall.speech.tts.fallback import FallbackVoice
from voicecall.speech.tts.http_audio import SynthesisTimeouts


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def all_of(voice: TextToSpeech, text: str) -> bytes:
    return b"".join([chunk async for chunk in voice.speak(text)])


def words_in(mulaw: bytes) -> list[str]:
    return [utterance.text for utterance in decode_all(mulaw)]


async def failure_of(voice: TextToSpeech, text: str = "Hello.") -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await all_of(voice, text)
    return failure.value


# --- against the simulators


@pytest.fixture(scope="module")
def openai_url() -> Iterator[str]:
    with running("simulators.openai") as url:
        yield url


@pytest.fixture(scope="module")
def elevenlabs_url() -> Iterator[str]:
    with running("simulators.elevenlabs") as url:
        yield url


async def test_an_openai_voice_is_understood_on_the_telephone(openai_url: str, http: aiohttp.ClientSession) -> None:
    """24 kHz PCM through the resampler and mu-law, decoded to the letter; the length is that of the text."""
    voice = openai.Voice(openai.Options(api_key="sk-test", base_url=f"{openai_url}/v1"), http)
    mulaw = await all_of(voice, "Your table is booked for seven.")
    assert words_in(mulaw) == ["Your table is booked for seven."]
    assert len(mulaw) == 8 * (31 * 40 + 40)


async def test_an_elevenlabs_voice_is_passed_on_unchanged(elevenlabs_url: str, http: aiohttp.ClientSession) -> None:
    """Its format is the telephone's."""
    voice = elevenlabs.Voice(elevenlabs.Options(api_key="xi-test", base_url=elevenlabs_url), http)
    assert words_in(await all_of(voice, "Your table is booked.")) == ["Your table is booked."]


@pytest.mark.parametrize(("broken", "speaks"), [("openai", "elevenlabs"), ("elevenlabs", "openai")])
async def test_when_the_chosen_voice_fails_the_other_one_speaks(
    openai_url: str, elevenlabs_url: str, http: aiohttp.ClientSession, broken: str, speaks: str
) -> None:
    """As configured: the chosen provider first, then the others."""
    urls = {"openai": f"{openai_url}/v1", "elevenlabs": elevenlabs_url} | {broken: "http://127.0.0.1:9"}
    blocks = {name: {"apiKey": "a-key", "baseUrl": url} for name, url in urls.items()}
    settings = Settings.model_validate({"tts": {"provider": broken, **blocks}})
    assert settings.tts.voices == (broken, speaks)
    voice = tts_for(settings, http)
    assert words_in(await all_of(voice, "Good evening.")) == ["Good evening."]


# --- against services that do not behave

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def service(answer: Answer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("/")).rstrip("/")
    finally:
        await server.close()


def voice_at(url: str, http: aiohttp.ClientSession, **timeouts: float) -> openai.Voice:
    return openai.Voice(openai.Options(api_key="sk-secret", base_url=url, timeouts=SynthesisTimeouts(**timeouts)), http)


async def streaming(request: web.Request, *pieces: bytes, then: Awaitable[Any] | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    if then is not None:
        await then
    return response


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (302, False), (408, True), (429, True), (503, True)],
)
async def test_a_refusal_is_retryable_or_not_and_quotes_nothing(
    http: aiohttp.ClientSession, status: int, *, retryable: bool
) -> None:
    """Its message may quote the text, and errors are logged."""

    async def answer(_: web.Request) -> web.StreamResponse:
        error = {"error": {"code": "some_code", "message": "my PIN is 1234"}}
        return web.json_response(error, status=status, headers={"Location": "/elsewhere"})

    async with service(answer) as url:
        failure = await failure_of(voice_at(url, http), "My PIN is 1234.")
    assert failure.retryable is retryable
    assert str(failure) == f"openai-tts: answered {status} some_code"


async def test_audio_leaves_before_the_voice_has_finished(http: aiohttp.ClientSession) -> None:
    """The service sends the rest only after the first chunk was played: waiting for all of it would hang."""
    heard = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await streaming(request, b"\0\0" * 2400, then=heard.wait())

    async with service(answer) as url, aclosing(voice_at(url, http).speak("Hello.")) as chunks:
        first = await anext(chunks)
        heard.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert len(first) + len(rest) == 800
    assert set(first + rest) == {0xFF}


async def test_closing_a_sentence_closes_its_connection(http: aiohttp.ClientSession) -> None:
    """On a barge-in the service notices before it has sent everything."""
    closed = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await streaming(request, b"\0\0" * 2400, then=asyncio.Event().wait())
        finally:
            closed.set()

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stream = FallbackVoice({"one": voice_at(f"http://127.0.0.1:{runner.addresses[0][1]}", http)}).speak("Hello.")
    await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(20):
        await closed.wait()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [((), "no answer in time|fell silent"), ((b"\0\0" * 2400,), "fell silent")],
)
async def test_a_voice_that_stalls_fails(http: aiohttp.ClientSession, pieces: tuple[bytes, ...], reason: str) -> None:
    """Before the first audio and after it."""
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await streaming(request, *pieces, then=over.wait())

    async with service(answer) as url:
        voice = voice_at(url, http, first_audio_s=0.2, stall_s=0.2)
        with pytest.raises(ServiceError, match=reason) as failure:
            await all_of(voice, "Hello.")
        over.set()
    assert failure.value.retryable


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("application/json", b"{}", "sent application/json, not audio"),
        ("text/html", b"<p>", "sent text/html, not audio"),
        ("audio/wav", b"RIFF1234", "sent a sound file, not raw audio"),
        ("audio/mpeg", b"ID3\x04", "sent a sound file, not raw audio"),
        ("audio/pcm", b"", "sent no audio"),
        ("audio/pcm", bytes(48_000 * 14), "sent more audio than the text can be"),
    ],
)
async def test_what_is_not_speech_is_not_played(
    http: aiohttp.ClientSession, content_type: str, body: bytes, reason: str
) -> None:
    """File headers would be loud noise; audio without end would block the call."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": content_type})

    async with service(answer) as url:
        assert str(await failure_of(voice_at(url, http))) == f"openai-tts: {reason}"


async def test_a_chunk_may_end_inside_a_sample(http: aiohttp.ClientSession) -> None:
    """A sample read from the wrong byte is noise."""

    async def answer(request: web.Request) -> web.StreamResponse:
        loud = b"\x00\x10" * 4800
        return await streaming(request, loud[:333], loud[333:1000], loud[1000:])

    async with service(answer) as url:
        mulaw = await all_of(voice_at(url, http), "Hello.")
    assert len(mulaw) == 1600
    assert len(set(mulaw[50:-50])) == 1


@pytest.mark.parametrize("text", ["", "  ", "x" * 4097])
async def test_text_that_cannot_be_spoken_is_refused_before_anything_is_sent(
    http: aiohttp.ClientSession, text: str
) -> None:
    """The address has no listener."""
    failure = await failure_of(voice_at("http://127.0.0.1:9", http), text)
    assert not failure.retryable


# --- the fallback, the clip


class Failing:
    """A voice that yields some audio, then fails."""

    def __init__(self, *chunks: bytes, retryable: bool = True) -> None:
        self._chunks = chunks
        self._retryable = retryable

    async def speak(self, text: str) -> AsyncGenerator[bytes]:  # noqa: ARG002  a port's shape
        for chunk in self._chunks:
            yield chunk
        raise ServiceError("failing", "broke", retryable=self._retryable)

    async def close(self) -> None:
        """Nothing is held."""


async def test_a_voice_that_fails_in_mid_sentence_is_not_continued_by_another() -> None:
    """The caller has heard the beginning, so the call decides what follows."""
    voice = FallbackVoice({"first": Failing(b"\x11"), "second": Failing(b"\x22")})
    stream = voice.speak("Hello.")
    assert await anext(stream) == b"\x11"
    with pytest.raises(ServiceError, match="failing: broke"):
        await anext(stream)


@pytest.mark.parametrize("retryable", [True, False])
async def test_when_all_voices_fail_the_error_has_every_reason(*, retryable: bool) -> None:
    """The whole is retryable if one of them is."""
    failure = await failure_of(FallbackVoice({"a": Failing(retryable=False), "b": Failing(retryable=retryable)}))
    assert str(failure) == "tts: failing: broke; failing: broke"
    assert failure.retryable is retryable


async def test_no_voice_and_too_long_a_text_are_refused() -> None:
    """Both are errors of the configuration."""
    assert str(await failure_of(FallbackVoice({}))) == "tts: no voice is configured"
    assert not (await failure_of(FallbackVoice({"a": Failing(b"\x22")}, longest_text=5))).retryable


def test_the_apology_is_there_and_is_speech() -> None:
    """Three to seven seconds and not silence."""
    assert 3 * 8000 < len(apology()) < 7 * 8000
    assert len(set(apology())) > 200
