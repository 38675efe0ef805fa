"""Voices over real sockets: against the simulators, and against services that break the protocol."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simulators.tones import decode_all, encode_pcm16
from tests.audio.files import MP3, randbytes, wav
from tests.simulators.service_process import running
from voicecall.call.phrases import LANGUAGES
from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.ports import TextToSpeech
from voicecall.settings import Settings
from voicecall.speech.registry import tts_for
from voicecall.speech.tts import elevenlabs, openai
from voicecall.speech.tts.clip import apology
from voicecall.speech.tts.fallback import FallbackVoice
from voicecall.speech.tts.patience import SynthesisTimeouts


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def all_of(voice: TextToSpeech, text: str) -> bytes:
    return b"".join([chunk async for chunk in voice.speak(text) if isinstance(chunk, bytes)])


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


async def test_a_server_with_the_same_api_speaks_beside_openai(openai_url: str, http: aiohttp.ClientSession) -> None:
    """`tts.compatible`: a server that people host, without a key; it needs no model of OpenAI's."""
    block = {"baseUrl": f"{openai_url}/v1", "voice": "nova"}
    settings = Settings.model_validate({"tts": {"provider": "openai-compatible", "compatible": block}})
    assert settings.tts.voices == ("compatible",)
    failure = await failure_of(tts_for(settings, http))
    assert str(failure) == "tts: compatible-tts: answered 401 invalid_api_key"
    settings = Settings.model_validate({"tts": {"compatible": {**block, "apiKey": "a-key"}}})
    assert words_in(await all_of(tts_for(settings, http), "Good evening.")) == ["Good evening."]


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


@pytest.mark.parametrize(("audio_s", "pause_s", "is_whole"), [(1.0, 0.6, True), (0.1, 0.6, False)])
async def test_a23_only_silence_counts_in_mid_sentence(
    http: aiohttp.ClientSession, audio_s: float, pause_s: float, *, is_whole: bool
) -> None:
    """A service that is ahead of what is heard may take its time; one that is not leaves the caller in silence."""

    async def answer(request: web.Request) -> web.StreamResponse:
        first = b"\0\0" * int(24_000 * audio_s)
        response = await streaming(request, first, then=asyncio.sleep(pause_s))
        await response.write(b"\0\0" * 2400)
        return response

    async with service(answer) as url:
        voice = voice_at(url, http, stall_s=0.2)
        if is_whole:
            assert len(await all_of(voice, "Hello.")) == 8000 * audio_s + 800
        else:
            with pytest.raises(ServiceError, match="fell silent"):
                await all_of(voice, "Hello.")


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
        ("audio/wav", b"RIFF1234", "sent audio/wav, which is not decoded here"),
        ("audio/mpeg", b"ID3\x04", "sent MP3, which is not decoded here"),
        ("audio/mpeg", b"\xff\xfb\x90\x64" + bytes(4000), "sent audio/mpeg, which is not decoded here"),
        ("audio/pcm", MP3, "sent MPEG audio, which is not decoded here"),
        ("application/octet-stream", MP3, "sent MPEG audio, which is not decoded here"),
        ("", b"OggS\x00\x02" + bytes(200), "sent Ogg, which is not decoded here"),
        ("", b'{"error": {"message": "quota"}}', "sent text, not audio"),
        ("audio/pcm", b"<!doctype html><html><body>Bad gateway", "sent text, not audio"),
        ("audio/pcm", randbytes(8000), "sent noise, not speech"),
        ("audio/pcm", b"", "sent no audio"),
        ("audio/pcm", bytes(48_000 * 14), "sent more audio than the text can be"),
    ],
)
async def test_what_is_not_speech_is_not_played(
    http: aiohttp.ClientSession, content_type: str, body: bytes, reason: str
) -> None:
    """Compressed audio would be loud noise; audio without end would block the call. Nothing of it is yielded."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": content_type})

    async with service(answer) as url:
        assert str(await failure_of(voice_at(url, http))) == f"openai-tts: {reason}"


@pytest.mark.parametrize("size", [31, 997, 100_000])
async def test_a8_an_answer_of_another_type_is_decoded_or_refused(http: aiohttp.ClientSession, size: int) -> None:
    """A WAV file is understood whatever its rate, MP3 without a tag is refused; the size of the pieces is no matter."""
    said = "Your table is booked."
    answers = {"audio/wav": wav(encode_pcm16(said, 16_000), rate=16_000), "audio/mpeg": MP3}
    kinds = iter(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        kind = next(kinds)
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        for at in range(0, len(answers[kind]), size):
            await response.write(answers[kind][at : at + size])
        return response

    async with service(answer) as url:
        assert words_in(await all_of(voice_at(url, http), said)) == [said]
        assert str(await failure_of(voice_at(url, http))).endswith("which is not decoded here")


# --- a service that is busy for a moment


def busy_once(status: int, headers: dict[str, str], asked: list[float]) -> Answer:
    """Refuse the first request, answer the next ones."""

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            return web.json_response({"error": {"code": "busy"}}, status=status, headers=headers)
        return await streaming(request, b"\0\0" * 2400)

    return answer


@pytest.mark.parametrize(
    ("status", "headers", "least_s"),
    [
        (429, {"Retry-After": "1"}, 1.0),
        (429, {"retry-after-ms": "300"}, 0.3),
        (503, {}, 0.2),
        (500, {"Retry-After": "soon"}, 0.2),
        (
            503,
            {"Retry-After": "Wed, 21 Oct 2026 07:28:01 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            1.0,
        ),
    ],
)
async def test_a9_a_busy_voice_gets_one_more_try_when_it_asks_for_it(
    http: aiohttp.ClientSession, status: int, headers: dict[str, str], least_s: float
) -> None:
    """Busy is not broken: the sentence comes a little later, within the limit of the first audio."""
    asked: list[float] = []
    async with service(busy_once(status, headers, asked)) as url:
        assert len(await all_of(voice_at(url, http), "Hello.")) == 800
    assert len(asked) == 2
    assert asked[1] - asked[0] >= least_s


async def test_a9_a_voice_that_wants_more_time_than_the_caller_has_is_not_waited_for(
    http: aiohttp.ClientSession,
) -> None:
    """Eight seconds are the limit; "in a minute" is a refusal."""
    asked: list[float] = []
    async with service(busy_once(429, {"Retry-After": "60"}, asked)) as url:
        failure = await failure_of(voice_at(url, http))
    assert (len(asked), failure.retryable, failure.retry_after_s) == (1, True, 60.0)


async def test_a9_a_voice_that_is_busy_twice_fails(http: aiohttp.ClientSession) -> None:
    """One more try, not a loop."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=503)

    async with service(answer) as url:
        assert (await failure_of(voice_at(url, http))).retryable
    assert len(asked) == 2


async def test_a9_a_connection_that_breaks_before_any_audio_is_tried_again(http: aiohttp.ClientSession) -> None:
    """Also without a status: an empty answer, a reset."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if len(asked) == 1:
            assert request.transport is not None
            request.transport.abort()
        return await streaming(request, b"\0\0" * 2400)

    async with service(answer) as url:
        assert len(await all_of(voice_at(url, http), "Hello.")) == 800
    assert len(asked) == 2


async def test_a9_a_refusal_is_not_repeated(http: aiohttp.ClientSession) -> None:
    """A wrong key stays wrong."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=401)

    async with service(answer) as url:
        await failure_of(voice_at(url, http))
    assert len(asked) == 1


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


async def test_a23_voices_of_which_one_was_silent_fail_as_silent() -> None:
    """The next sentence would wait for it again, so the apology is the recorded one."""
    silent = Failing(failure=ServiceTimeout("one", "no answer in time"))
    assert isinstance(await failure_of(FallbackVoice({"a": silent, "b": Failing()})), ServiceTimeout)
    assert isinstance(await failure_of(FallbackVoice({"a": Failing(), "b": silent})), ServiceTimeout)
    assert not isinstance(await failure_of(FallbackVoice({"a": Failing(), "b": Failing()})), ServiceTimeout)


class Failing:
    """A voice that yields some audio, then fails."""

    def __init__(self, *chunks: bytes, retryable: bool = True, failure: ServiceError | None = None) -> None:
        self._chunks = chunks
        self._failure = failure or ServiceError("failing", "broke", retryable=retryable)

    async def speak(self, text: str) -> AsyncGenerator[bytes]:  # noqa: ARG002  a port's shape
        for chunk in self._chunks:
            yield chunk
        raise self._failure

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
    """Three to eight seconds and not silence, in every language that has phrases."""
    assert apology("de-AT") == apology("de") != apology("sv") == apology()
    for language in LANGUAGES:
        assert 3 * 8000 < len(apology(language)) < 8 * 8000, language
        assert len(set(apology(language))) > 200, language
