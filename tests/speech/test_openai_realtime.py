"""Speech recognition over real sockets: against the OpenAI simulator, and against services that break the protocol."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simulators.tones import encode_mulaw
from tests.simulators.service_process import running
from voicecall.audio.framing import SILENT_FRAME, Framer
from voicecall.call.events import Heard, SpeechStarted, SpeechStopped, SttFailed, SttLost, SttRecovered
from voicecall.call.ids import CallId
from voicecall.errors import ServiceError
from voicecall.manifests.openai import OpenAIRecognition
from voicecall.ports import SttEvent, SttSession
from voicecall.speech.stt.openai_realtime import build
from voicecall.speech.stt.recognition import Recognition
from voicecall.speech.stt.session import Patience

CALL = CallId("5b0a3d3e-6a52-4d3b-9c7e-2f1f6f1d7c11")
SOON = (0.01,) * 5
SILENCE = SILENT_FRAME * 60


class Listener:
    """Collects the events, and lets a test wait for the next of a kind."""

    def __init__(self) -> None:
        self.events: list[SttEvent] = []
        self._news: asyncio.Queue[SttEvent] = asyncio.Queue()

    def __call__(self, event: SttEvent) -> None:
        self.events.append(event)
        self._news.put_nowait(event)

    async def until(self, kind: type[SttEvent]) -> SttEvent:
        async with asyncio.timeout(20):
            while not isinstance(event := await self._news.get(), kind):
                pass
        return event

    async def texts(self, count: int) -> list[str]:
        return [event.text for _ in range(count) if isinstance(event := await self.until(Heard), Heard)]


def feed(hearing: SttSession, mulaw: bytes) -> None:
    """Frame by frame, as a carrier sends it."""
    for frame in Framer().feed(mulaw):
        hearing.feed(frame)


@asynccontextmanager
async def listening(base_url: str, **options: Any) -> AsyncIterator[tuple[SttSession, Listener]]:
    """An open session. Leaving it asserts that no task of it is left running."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        block = {"api_key": "sk-test", "base_url": base_url}
        block |= {key: options.pop(key) for key in ("model", "silence_duration_ms") if key in options}
        recogniser = Recognition([build(OpenAIRecognition.model_construct(**block), session)], Patience(**options))
        listener = Listener()
        hearing = await recogniser.open(CALL, listener)
        try:
            yield hearing, listener
        finally:
            await recogniser.close()
            assert {task for task in asyncio.all_tasks() - before if task.get_name().startswith("stt")} == set()


# --- against the simulator


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.openai") as url:
        yield url


@pytest.fixture
async def simulator(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url) as session:
        yield session
        for path in ("/_sim/script", "/_sim/ledger"):
            async with session.delete(path) as response:
                assert response.status == 204


async def script(simulator: aiohttp.ClientSession, **sections: Any) -> None:
    async with simulator.post("/_sim/script", json=sections) as response:
        assert response.status == 200, await response.text()


async def lines_of(simulator: aiohttp.ClientSession, after: int = 0, wait_s: float = 0) -> int:
    """The number of the ledger's last line, once there is one after `after`."""
    async with simulator.get("/_sim/ledger", params={"after": after, "wait_s": wait_s}) as response:
        last: int = (await response.json())["last_seq"]
        return last


@pytest.mark.parametrize("model", ["gpt-transcribe", "gpt-live-transcribe"])
@pytest.mark.usefixtures("simulator")
async def test_what_a_caller_says_is_heard_with_its_beginning_and_its_pause(url: str, model: str) -> None:
    """The same events, whether the service or the client detects pauses."""
    async with listening(f"{url}/v1", model=model, silence_duration_ms=400) as (hearing, heard):
        feed(hearing, encode_mulaw("hello there") + SILENCE)
        assert await heard.texts(1) == ["hello there"]
        feed(hearing, encode_mulaw("how are you") + SILENCE)
        assert await heard.texts(1) == ["how are you"]
        kinds = [type(event) for event in heard.events]
        assert kinds == [SpeechStarted, SpeechStopped, Heard] * 2


async def test_audio_that_comes_before_the_session_is_open_is_not_lost(
    url: str, simulator: aiohttp.ClientSession
) -> None:
    """The caller need not wait for the handshake."""
    await script(simulator, misbehave=[{"where": "realtime", "do": {"delay_ms": 300}}])
    async with listening(f"{url}/v1", silence_duration_ms=400) as (hearing, heard):
        feed(hearing, encode_mulaw("early") + SILENCE)
        assert await heard.texts(1) == ["early"]


async def test_a_lost_socket_is_opened_again(url: str, simulator: aiohttp.ClientSession) -> None:
    """Audio of the gap waits for the new session."""
    await script(simulator, misbehave=[{"where": "realtime", "times": 1, "do": {"drop_after_appends": 1}}])
    before = await lines_of(simulator)
    async with listening(f"{url}/v1", silence_duration_ms=400, retry_delays_s=SOON) as (hearing, heard):
        hearing.feed(SILENT_FRAME)
        for socket in (1, 2):
            assert await lines_of(simulator, after=before + socket - 1, wait_s=20) >= before + socket
        feed(hearing, encode_mulaw("again") + SILENCE)
        assert await heard.texts(1) == ["again"]


@pytest.mark.parametrize("do", [{"out_of_order": True}, {"duplicate": True}])
async def test_transcripts_that_overtake_or_repeat_are_reported_once_in_order(
    url: str, simulator: aiohttp.ClientSession, do: dict[str, bool]
) -> None:
    """The service may send `completed` events out of order."""
    await script(simulator, misbehave=[{"where": "transcript", "times": 1, "do": do}])
    async with listening(f"{url}/v1", silence_duration_ms=400) as (hearing, heard):
        for text in ("first", "second", "third"):
            feed(hearing, encode_mulaw(text) + SILENCE)
        assert await heard.texts(3) == ["first", "second", "third"]


async def test_a_wrong_key_is_final_at_once(url: str, simulator: aiohttp.ClientSession) -> None:
    """Retrying does not help; the call must learn of it while the caller is on the line."""
    await script(simulator, api_key="sk-other")
    async with listening(f"{url}/v1", retry_delays_s=(60.0,)) as (_, heard):
        assert await heard.until(SttFailed) == SttFailed(reason="refused with status 401")


# --- against services that do not behave

Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def service(serve: Serve) -> AsyncIterator[tuple[str, list[int]]]:
    """A socket handled by `serve`, and a list with one entry per connection."""
    connections: list[int] = []

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        connections.append(len(connections) + 1)
        await serve(ws)
        await ws.close()
        return ws

    app = web.Application()
    app.router.add_get("/v1/realtime", handle)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("/v1")), connections
    finally:
        await server.close()


def message(kind: str, **more: Any) -> str:
    return orjson.dumps({"type": kind, **more}).decode()


async def get_ready(ws: web.WebSocketResponse) -> None:
    await ws.send_str(message("session.created"))
    await ws.receive()
    await ws.send_str(message("session.updated"))


async def test_a_service_that_fails_after_each_opening_is_given_up() -> None:
    """An open socket does not reset the counter: five reconnections, then recognition has failed."""
    async with (
        service(get_ready) as (url, connections),
        listening(url, retry_delays_s=SOON) as (_, heard),
    ):
        await heard.until(SttFailed)
        assert len(connections) == 6


async def test_after_a_stable_session_the_delays_begin_anew() -> None:
    """A service that closes each session after an hour works."""
    tenth = asyncio.Event()
    count = 0

    async def serve(ws: web.WebSocketResponse) -> None:
        nonlocal count
        await get_ready(ws)
        count += 1
        if count == 10:
            tenth.set()

    async with service(serve) as (url, _), listening(url, retry_delays_s=SOON, stable_s=0.0) as (_, heard):
        async with asyncio.timeout(20):
            await tenth.wait()
        assert SttFailed not in map(type, heard.events)


async def test_a_service_that_never_gets_ready_is_given_up() -> None:
    """An accepted socket is not a ready session."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.receive()
        await ws.receive()

    async with service(serve) as (url, _), listening(url, connect_timeout_s=0.05, retry_delays_s=(0.01,)) as (_, heard):
        assert await heard.until(SttFailed) == SttFailed(reason="no answer in time")


async def test_settings_the_service_refuses_are_final() -> None:
    """An unknown model stays unknown."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.receive()
        await ws.send_str(message("error", error={"type": "invalid_request_error", "code": "model_not_found"}))
        await ws.receive()

    async with service(serve) as (url, connections), listening(url, retry_delays_s=(60.0,)) as (_, heard):
        refused = SttFailed(reason="refused: invalid_request_error, model_not_found")
        assert await heard.until(SttFailed) == refused
        assert len(connections) == 1


async def test_an_unreachable_service_is_reported_after_the_last_try() -> None:
    """A closed port refuses at once, six times."""
    async with service(get_ready) as (url, _):
        gone = url
    async with listening(gone, retry_delays_s=SOON) as (_, heard):
        failure = await heard.until(SttFailed)
        assert failure == SttFailed(reason="connection failed: ClientConnectorError")


async def test_a_service_not_reached_at_first_is_reported_long_before_the_last_try() -> None:
    """A caller must not talk unheard for half a minute, be the port closed or silent."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.receive()
        await ws.receive()

    async with service(serve) as (silent, _), listening(silent, first_s=0.05, retry_delays_s=(60.0,)) as (_, heard):
        assert await heard.until(SttFailed) == SttFailed(reason="no answer in time")
    async with listening(silent, first_s=0.2, retry_delays_s=(0.01, 60.0)) as (_, heard):
        assert await heard.until(SttFailed) == SttFailed(reason="connection failed: ClientConnectorError")


async def test_a_service_that_was_reached_once_gets_all_its_tries() -> None:
    """An interruption in mid-call is retried longer than a first connection."""
    hold = asyncio.Event()
    third = asyncio.Event()
    count = 0

    async def serve(ws: web.WebSocketResponse) -> None:
        nonlocal count
        count += 1
        await get_ready(ws)
        if count == 3:
            third.set()
            await hold.wait()

    delays = (0.15, 0.15)
    async with service(serve) as (url, _), listening(url, first_s=0.2, retry_delays_s=delays) as (_, heard):
        async with asyncio.timeout(20):
            await third.wait()
        hold.set()
        assert SttFailed not in map(type, heard.events)


async def test_a_long_interruption_is_reported_once_and_its_end_before_the_missed_transcripts() -> None:
    """The call learns of it before the last try; what was said meanwhile is transcribed."""
    completed = "conversation.item.input_audio_transcription.completed"
    back = asyncio.Event()
    count = 0

    async def serve(ws: web.WebSocketResponse) -> None:
        nonlocal count
        count += 1
        if count == 1:
            await get_ready(ws)
        elif back.is_set():
            await get_ready(ws)
            audio = orjson.loads(await ws.receive_str())
            await ws.send_str(message(completed, item_id="a", transcript=f"{len(audio['audio'])} letters"))
            await ws.receive()

    async with (
        service(serve) as (url, _),
        listening(url, lost_after_s=0.02, retry_delays_s=(0.05,) * 400) as (hearing, heard),
    ):
        await heard.until(SttLost)
        hearing.feed(SILENT_FRAME)
        back.set()
        assert await heard.texts(1) == ["216 letters"]
        assert [type(event) for event in heard.events] == [SttLost, SttRecovered, Heard]


async def test_a_short_interruption_is_not_reported() -> None:
    """After one reconnection everything that was said has been transcribed."""
    hold = asyncio.Event()
    again = asyncio.Event()
    count = 0

    async def serve(ws: web.WebSocketResponse) -> None:
        nonlocal count
        count += 1
        await get_ready(ws)
        if count == 2:
            again.set()
            await hold.wait()

    async with service(serve) as (url, _), listening(url, lost_after_s=10.0, retry_delays_s=SOON) as (_, heard):
        async with asyncio.timeout(20):
            await again.wait()
        assert heard.events == []
        hold.set()


async def test_a_caller_who_was_speaking_when_the_socket_died_has_paused() -> None:
    """Otherwise the caller would keep the floor for ever."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await get_ready(ws)
        await ws.send_str(message("input_audio_buffer.speech_started", item_id="a"))

    async with service(serve) as (url, _), listening(url, retry_delays_s=()) as (_, heard):
        await heard.until(SttFailed)
        assert [type(event) for event in heard.events] == [SpeechStarted, SpeechStopped, SttFailed]


async def test_a_transcript_that_never_comes_does_not_hold_up_the_next() -> None:
    """After `late_s` the next one is reported."""
    completed = "conversation.item.input_audio_transcription.completed"

    async def serve(ws: web.WebSocketResponse) -> None:
        await get_ready(ws)
        await ws.send_str("not json")
        await ws.send_str(message("input_audio_buffer.committed", item_id="a", previous_item_id=None))
        await ws.send_str(message("input_audio_buffer.committed", item_id="b", previous_item_id="a"))
        await ws.send_str(message(completed, item_id="b", transcript="still here"))
        await ws.receive()

    async with service(serve) as (url, _), listening(url, late_s=0.05) as (_, heard):
        assert await heard.texts(1) == ["still here"]


async def test_a_late_transcript_does_not_take_the_floor_from_a_caller_who_speaks_again() -> None:
    """It belongs to the utterance before."""
    completed = "conversation.item.input_audio_transcription.completed"

    async def serve(ws: web.WebSocketResponse) -> None:
        await get_ready(ws)
        for kind, item in (("started", "a"), ("stopped", "a"), ("started", "b")):
            await ws.send_str(message(f"input_audio_buffer.speech_{kind}", item_id=item))
        await ws.send_str(message(completed, item_id="a", transcript="first"))
        await ws.send_str(message("input_audio_buffer.speech_stopped", item_id="b"))
        await ws.send_str(message(completed, item_id="b", transcript="second"))
        await ws.receive()

    async with service(serve) as (url, _), listening(url) as (_, heard):
        assert await heard.texts(2) == ["first", "second"]
        kinds = [type(event) for event in heard.events]
        assert kinds == [SpeechStarted, SpeechStopped, SpeechStarted, Heard, SpeechStopped, Heard]


async def test_an_exception_of_the_handler_does_not_end_recognition(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the next event is reported."""
    completed = "conversation.item.input_audio_transcription.completed"

    async def serve(ws: web.WebSocketResponse) -> None:
        await get_ready(ws)
        for item in "ab":
            await ws.send_str(message(completed, item_id=item, transcript=item))
        await ws.receive()

    events: asyncio.Queue[SttEvent] = asyncio.Queue()

    def on_event(event: SttEvent) -> None:
        if event == Heard(text="a"):
            raise RuntimeError("a bug")
        events.put_nowait(event)

    async with service(serve) as (url, _), aiohttp.ClientSession() as session:
        recogniser = Recognition([build(OpenAIRecognition.model_construct(base_url=url), session)])
        await recogniser.open(CALL, on_event)
        async with asyncio.timeout(20):
            assert await events.get() == Heard(text="b")
        await recogniser.close()
    assert "event handler failed" in caplog.text


async def test_after_closing_nothing_is_reported_and_nothing_is_opened() -> None:
    """The call is over, and sessions are charged."""
    async with service(get_ready) as (url, _), aiohttp.ClientSession() as session:
        recogniser = Recognition([build(OpenAIRecognition.model_construct(base_url=url), session)])
        listener = Listener()
        hearing = await recogniser.open(CALL, listener)
        await recogniser.close()
        hearing.feed(SILENT_FRAME)
        assert listener.events == []
        with pytest.raises(ServiceError) as refusal:
            await recogniser.open(CALL, listener)
        assert not refusal.value.retryable
