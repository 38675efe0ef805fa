"""The contract of speech recognition, held by every service's adapter against that service's simulator.

Each test is run for each protocol. What only one service does is tested in the file of that service.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from simulators.tones import encode_mulaw
from tests.simulators.service_process import running
from voicecall.audio.framing import SILENT_FRAME, Framer
from voicecall.breaker import Breaker, Breakers, BreakerState, Limits
from voicecall.call.events import Failover, Heard, SpeechStarted, SpeechStopped, SttFailed, SttLost
from voicecall.call.ids import CallId
from voicecall.manifests import STT
from voicecall.metrics import PROVIDER_ERRORS, PROVIDER_FAILOVERS
from voicecall.ports import PartialTranscript, SttEvent, SttSession
from voicecall.settings import Settings
from voicecall.speech.registry import stt_for
from voicecall.speech.stt import deepgram, elevenlabs, openai_realtime, whisper
from voicecall.speech.stt.link import Service
from voicecall.speech.stt.recognition import Recognition
from voicecall.speech.stt.session import Patience

CALL = CallId("5b0a3d3e-6a52-4d3b-9c7e-2f1f6f1d7c11")
SILENCE = SILENT_FRAME * 60
SOON = (0.01,) * 5
_BUILD = {
    "openai": openai_realtime.build,
    "deepgram": deepgram.build,
    "elevenlabs": elevenlabs.build,
    "compatible": whisper.build,
}


@dataclass(frozen=True)
class Protocol:
    """One protocol of one service. `socket`, `transcript`: the places in the simulator's script that break it."""

    name: str
    provider: str
    simulator: str
    block: dict[str, Any] = field(default_factory=dict)
    socket: str = "listen"
    transcript: str = "transcript"
    base: str = ""
    reports_audio: bool = True
    repeats: bool = True

    def __str__(self) -> str:
        return self.name


PROTOCOLS = (
    Protocol("realtime", "openai", "openai", {"silenceDurationMs": 300}, socket="realtime", base="/v1"),
    Protocol(
        "live", "openai", "openai", {"model": "gpt-live-transcribe", "silenceDurationMs": 300},
        socket="realtime", base="/v1",
    ),
    Protocol("nova", "deepgram", "deepgram", {"model": "nova-3"}, base="/v1"),
    Protocol("flux", "deepgram", "deepgram", base="/v1"),
    Protocol("scribe", "elevenlabs", "elevenlabs", {"silenceDurationMs": 300}, repeats=False),
    Protocol(
        "whisper", "compatible", "openai", {"silenceDurationMs": 300},
        socket="transcription", transcript="transcription", base="/v1", reports_audio=False, repeats=False,
    ),
)  # fmt: skip
SOCKETS = tuple(protocol for protocol in PROTOCOLS if protocol.reports_audio)


class Ears:
    """Collects what a session reports, and lets a test wait for the next of a kind."""

    def __init__(self) -> None:
        self.events: list[SttEvent] = []
        self.partials: list[PartialTranscript] = []
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

    @property
    def kinds(self) -> list[type[SttEvent]]:
        return [type(event) for event in self.events]


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """The addresses of the simulators, which start side by side."""
    names = ("openai", "deepgram", "elevenlabs")
    with ExitStack() as stack, ThreadPoolExecutor(len(names)) as pool:
        opened = pool.map(lambda name: stack.enter_context(running(f"simulators.{name}")), names)
        yield dict(zip(names, opened, strict=True))


class Bench:
    """The simulators, their scripts, and sessions of the adapters against them."""

    def __init__(self, urls: dict[str, str], http: aiohttp.ClientSession) -> None:
        self._urls = urls
        self._http = http

    async def script(self, protocol: Protocol, *rules: dict[str, Any], **sections: Any) -> None:
        url = f"{self._urls[protocol.simulator]}/_sim/script"
        async with self._http.post(url, json={"misbehave": list(rules), **sections}) as answer:
            assert answer.status == 200, await answer.text()

    async def clear(self) -> None:
        for url in self._urls.values():
            for path in ("/_sim/script", "/_sim/ledger"):
                async with self._http.delete(url + path) as answer:
                    assert answer.status == 204

    async def lines(self, protocol: Protocol, *kinds: str) -> list[dict[str, Any]]:
        params = [("kind", kind) for kind in kinds or (protocol.socket, "listen")]
        async with self._http.get(f"{self._urls[protocol.simulator]}/_sim/ledger", params=params) as answer:
            lines: list[dict[str, Any]] = (await answer.json())["lines"]
            return lines

    async def until(self, protocol: Protocol, kind: str, count: int) -> list[dict[str, Any]]:
        """The ledger's lines of a kind, once there are so many."""
        return await self.lines_when(protocol, lambda lines: len(lines) >= count, kind)

    async def lines_when(
        self, protocol: Protocol, good: Callable[[list[dict[str, Any]]], bool], kind: str = "listen"
    ) -> list[dict[str, Any]]:
        deadline = asyncio.get_running_loop().time() + 20
        while not good(lines := await self.lines(protocol, kind)):
            assert asyncio.get_running_loop().time() < deadline, lines
            await asyncio.sleep(0.02)
        return lines

    def service(self, protocol: Protocol, *, breaker: Breaker | None = None, **block: Any) -> Service:
        written = {"apiKey": "key", "baseUrl": self._urls[protocol.simulator] + protocol.base}
        model = STT[protocol.provider].block.model_validate({**written, **protocol.block, **block})
        service: Service = _BUILD[protocol.provider](model, self._http)  # type: ignore[operator]
        if breaker is None:
            return service
        return Service(
            name=service.name,
            model=service.model,
            link=service.link,
            detector=service.detector,
            piece=service.piece,
            patience_s=service.patience_s,
            breaker=breaker,
        )

    @asynccontextmanager
    async def listening(
        self, *services: Service, partials: bool = False, **patience: Any
    ) -> AsyncIterator[tuple[SttSession, Ears]]:
        """An open session. Leaving it asserts that nothing of it is left running."""
        before = asyncio.all_tasks()
        recognition, heard = Recognition(services, Patience(**patience)), Ears()
        session = await recognition.open(CALL, heard, heard.partials.append if partials else None, likely_ends=partials)
        try:
            yield session, heard
        finally:
            await recognition.close()
            left = {task.get_name() for task in asyncio.all_tasks() - before}
            assert not {name for name in left if name.startswith(("stt", "probe"))}


@pytest.fixture
async def bench(urls: dict[str, str]) -> AsyncIterator[Bench]:
    async with aiohttp.ClientSession() as http:
        bench = Bench(urls, http)
        await bench.clear()
        yield bench


def feed(session: SttSession, mulaw: bytes) -> None:
    """Frame by frame, as a carrier sends it."""
    for frame in Framer().feed(mulaw):
        session.feed(frame)


async def texts_in_silence(session: SttSession, heard: Ears) -> list[str]:
    """The next text, while the line goes on to carry silence."""

    async def carry() -> None:
        while True:
            session.feed(SILENT_FRAME * 4)
            await asyncio.sleep(0.08)

    line = asyncio.create_task(carry())
    try:
        return await heard.texts(1)
    finally:
        line.cancel()


# --- what every service must do


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
async def test_what_a_caller_says_is_heard_with_its_beginning_and_its_pause(bench: Bench, protocol: Protocol) -> None:
    """The same events, whoever detects the pauses."""
    async with bench.listening(bench.service(protocol)) as (session, heard):
        for text in ("hello there", "how are you today, if I may ask"):
            feed(session, encode_mulaw(text) + SILENCE)
            assert await heard.texts(1) == [text]
        assert heard.kinds == [SpeechStarted, SpeechStopped, Heard] * 2


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_audio_that_comes_before_the_connection_is_ready_is_not_lost(bench: Bench, protocol: Protocol) -> None:
    """A slow service: the caller need not wait for it."""
    await bench.script(protocol, {"where": protocol.socket, "do": {"delay_ms": 300}})
    async with bench.listening(bench.service(protocol)) as (session, heard):
        feed(session, encode_mulaw("early") + SILENCE)
        assert await heard.texts(1) == ["early"]


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_words_that_a_broken_socket_took_with_it_are_heard_after_all(bench: Bench, protocol: Protocol) -> None:
    """Cut in the middle of an utterance: the next connection gets the utterance from its beginning."""
    await bench.script(protocol, {"where": protocol.socket, "times": 1, "do": _cut(protocol)})
    async with bench.listening(bench.service(protocol), retry_delays_s=SOON) as (session, heard):
        feed(session, encode_mulaw("these words must not be lost") + SILENCE)
        assert await heard.texts(1) == ["these words must not be lost"]
        assert SttLost not in heard.kinds


def _cut(protocol: Protocol) -> dict[str, Any]:
    # OpenAI's simulator counts messages; a backlog comes as one a second.
    return {"drop_after_appends": 2} if protocol.simulator == "openai" else {"drop_after_ms": 1500}


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_nonsense_of_the_service_is_passed_over(bench: Bench, protocol: Protocol) -> None:
    """It is logged by its kind, and recognition goes on."""
    await bench.script(protocol, {"where": protocol.socket, "do": {"garbage": True}})
    async with bench.listening(bench.service(protocol)) as (session, heard):
        feed(session, encode_mulaw("after nonsense") + SILENCE)
        assert await heard.texts(1) == ["after nonsense"]


@pytest.mark.parametrize("protocol", [each for each in PROTOCOLS if each.repeats], ids=str)
async def test_a_repeated_transcript_is_reported_once(bench: Bench, protocol: Protocol) -> None:
    await bench.script(protocol, {"where": protocol.transcript, "times": 1, "do": {"duplicate": True}})
    async with bench.listening(bench.service(protocol)) as (session, heard):
        for text in ("once", "and on"):
            feed(session, encode_mulaw(text) + SILENCE)
        assert await heard.texts(2) == ["once", "and on"]


@pytest.mark.parametrize("protocol", [*PROTOCOLS[:2], PROTOCOLS[-1]], ids=str)
async def test_transcripts_come_in_the_order_of_speech(bench: Bench, protocol: Protocol) -> None:
    """Where the service transcribes side by side, a short utterance may overtake a long one."""
    await bench.script(protocol, {"where": protocol.transcript, "times": 1, "do": {"delay_ms": 400}})
    async with bench.listening(bench.service(protocol)) as (session, heard):
        for text in ("first", "second"):
            feed(session, encode_mulaw(text) + SILENCE)
        assert await heard.texts(2) == ["first", "second"]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
async def test_a_late_transcript_is_heard_all_the_same(bench: Bench, protocol: Protocol) -> None:
    """The only service is waited for."""
    await bench.script(protocol, {"where": protocol.transcript, "times": 1, "do": {"delay_ms": 300}})
    async with bench.listening(bench.service(protocol), transcript_s=0.05) as (session, heard):
        feed(session, encode_mulaw("late") + SILENCE)
        assert await heard.texts(1) == ["late"]


@pytest.mark.parametrize("protocol", PROTOCOLS[:-1], ids=str)
async def test_a_wrong_key_is_final_at_once(bench: Bench, protocol: Protocol) -> None:
    """Retrying does not help; the call must learn of it while the caller is on the line."""
    await bench.script(protocol, api_key="another")
    async with bench.listening(bench.service(protocol), retry_delays_s=(60.0,)) as (_, heard):
        failure = await heard.until(SttFailed)
        assert isinstance(failure, SttFailed)
        assert "401" in failure.reason or "auth_error" in failure.reason


@pytest.mark.parametrize("protocol", SOCKETS[1:3], ids=str)
async def test_a_busy_service_is_asked_again_when_it_says(bench: Bench, protocol: Protocol) -> None:
    """429 with Retry-After: not before, although the first retry would come sooner."""
    await bench.script(protocol, {"where": protocol.socket, "times": 1, "do": {"status": 429, "retry_after_s": 1}})
    async with bench.listening(bench.service(protocol), retry_delays_s=SOON) as (session, heard):
        feed(session, encode_mulaw("patient") + SILENCE)
        assert await heard.texts(1) == ["patient"]
        first, second = await bench.lines(protocol)
        assert second["at"] - first["at"] >= 1


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_a_silent_service_is_given_up_in_time(bench: Bench, protocol: Protocol) -> None:
    """It accepts the connection and never answers."""
    await bench.script(protocol, {"where": protocol.socket, "do": {"hang": True}})
    async with bench.listening(bench.service(protocol), first_s=0.1) as (_, heard):
        assert await heard.until(SttFailed) == SttFailed(reason="no answer in time")


@pytest.mark.parametrize("protocol", [PROTOCOLS[0], *PROTOCOLS[2:5]], ids=str)
async def test_partial_transcripts_are_reported_where_they_are_wanted(bench: Bench, protocol: Protocol) -> None:
    """And are no part of the events."""
    async with bench.listening(bench.service(protocol), partials=True, partials_every_s=0.0) as (session, heard):
        feed(session, encode_mulaw("a sentence that takes its time") + SILENCE)
        assert await heard.texts(1) == ["a sentence that takes its time"]
        assert heard.partials
        assert all("a sentence that takes its time".startswith(each.text.rstrip()) for each in heard.partials)
        assert heard.kinds == [SpeechStarted, SpeechStopped, Heard]


# --- fail-over: each service in another's place

_OTHER = {each.name: PROTOCOLS[3] if each.provider != "deepgram" else PROTOCOLS[0] for each in PROTOCOLS}


def _counted(failed: str, used: str) -> float:
    return PROVIDER_FAILOVERS.labels("stt", failed, used)._value.get()


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_another_service_takes_over_from_one_that_is_never_ready(bench: Bench, protocol: Protocol) -> None:
    """The words spoken meanwhile are heard; the caller is told nothing; who answered in whose place is counted."""
    other = _OTHER[protocol.name]
    before = _counted(protocol.provider, other.provider)
    errors = PROVIDER_ERRORS.labels(protocol.provider, "stt")._value
    failed = errors.get()
    await bench.script(protocol, {"where": protocol.socket, "do": {"hang": True}})
    services = bench.service(protocol), bench.service(other)
    async with bench.listening(*services, first_s=0.4) as (session, heard):
        feed(session, encode_mulaw("nothing is lost") + SILENCE)
        assert await heard.texts(1) == ["nothing is lost"]
        assert heard.kinds == [Failover, SpeechStarted, SpeechStopped, Heard]
        fact = Failover(service="stt", from_=protocol.provider, to=other.provider, reason="timeout")
        assert heard.events[0] == fact
    assert (_counted(protocol.provider, other.provider), errors.get()) == (before + 1, failed + 1)


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_another_service_takes_over_in_mid_utterance(bench: Bench, protocol: Protocol) -> None:
    """The utterance is replayed to it from its beginning."""
    await bench.script(protocol, {"where": protocol.socket, "do": _cut(protocol)})
    services = bench.service(protocol), bench.service(_OTHER[protocol.name])
    async with bench.listening(*services, retry_delays_s=(60.0,)) as (session, heard):
        feed(session, encode_mulaw("half of this was said to the other") + SILENCE)
        assert await heard.texts(1) == ["half of this was said to the other"]
        assert SttLost not in heard.kinds


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_another_service_takes_over_from_one_that_falls_silent(bench: Bench, protocol: Protocol) -> None:
    """It is connected, takes the audio and says nothing: the caller's loudness says that it should."""
    await bench.script(protocol, {"where": protocol.socket, "do": {"mute": True}})
    services = bench.service(protocol), bench.service(_OTHER[protocol.name])
    async with bench.listening(*services, transcript_s=0.2) as (session, heard):
        feed(session, encode_mulaw("is anyone there") + SILENCE)
        assert await heard.texts(1) == ["is anyone there"]


@pytest.mark.parametrize("protocol", SOCKETS, ids=str)
async def test_another_service_takes_over_from_one_that_falls_silent_in_mid_turn(
    bench: Bench, protocol: Protocol
) -> None:
    """It reported speech, and nothing since: the caller, who waits for an answer, is silent too."""
    await bench.script(protocol, {"where": "words", "match": "anyone at", "do": {"mute": True}})
    services = bench.service(protocol), bench.service(_OTHER[protocol.name])
    async with bench.listening(*services, transcript_s=0.2) as (session, heard):
        feed(session, encode_mulaw("is there anyone at home"))
        await heard.until(SpeechStarted)
        feed(session, 2 * SILENCE)
        assert (await heard.texts(1))[-1] == "is there anyone at home"


@pytest.mark.parametrize("protocol", PROTOCOLS[2:4], ids=str)
async def test_another_service_takes_over_from_one_that_never_ends_a_turn(bench: Bench, protocol: Protocol) -> None:
    """It reports the same words again and again, to a caller who waits for an answer."""
    await bench.script(protocol, {"where": "words", "match": "anyone at", "do": {"endless": True}})
    services = bench.service(protocol, eotTimeoutMs=500), bench.service(_OTHER[protocol.name])
    async with bench.listening(*services, transcript_s=0.2) as (session, heard):
        feed(session, encode_mulaw("is there anyone at home"))
        await heard.until(SpeechStarted)
        assert await texts_in_silence(session, heard) == ["is there anyone at home"]


async def test_a_service_without_another_is_asked_once_more_when_it_never_ends_a_turn(bench: Bench) -> None:
    """The next connection gets the turn from its beginning."""
    flux = PROTOCOLS[3]
    await bench.script(flux, {"where": "words", "match": "anyone at", "times": 1, "do": {"endless": True}})
    service = bench.service(flux, eotTimeoutMs=500)
    async with bench.listening(service, transcript_s=0.2, retry_delays_s=(0.1,)) as (session, heard):
        feed(session, encode_mulaw("is there anyone at home"))
        await heard.until(SpeechStarted)
        assert await texts_in_silence(session, heard) == ["is there anyone at home"]
        assert len(await bench.lines(flux)) == 2


@pytest.mark.parametrize("protocol", [*PROTOCOLS[:2], PROTOCOLS[-1]], ids=str)
async def test_another_service_transcribes_what_one_does_not(bench: Bench, protocol: Protocol) -> None:
    """A pause was reported, and no transcript follows."""
    await bench.script(protocol, {"where": protocol.transcript, "do": {"hang": True}})
    services = bench.service(protocol), bench.service(_OTHER[protocol.name])
    async with bench.listening(*services, transcript_s=0.2) as (session, heard):
        feed(session, encode_mulaw("please answer") + SILENCE)
        assert await heard.texts(1) == ["please answer"]


async def test_a_wrong_key_of_the_first_service_costs_no_call(bench: Bench) -> None:
    """And it is not asked again in this call."""
    first, other = PROTOCOLS[2], PROTOCOLS[4]
    await bench.script(first, api_key="another")
    async with bench.listening(bench.service(first), bench.service(other)) as (session, heard):
        feed(session, encode_mulaw("hello") + SILENCE)
        assert await heard.texts(1) == ["hello"]
        assert len(await bench.lines(first)) == 1


async def test_the_caller_is_told_only_when_no_service_is_left(bench: Bench) -> None:
    """Both break off; both come back at the second try, with the words."""
    first, other = PROTOCOLS[2], PROTOCOLS[4]
    for protocol in (first, other):
        rule = {"where": protocol.socket, "do": {"status": 503}}
        await bench.script(protocol, {"where": protocol.socket, "times": 1, "do": _cut(protocol)}, rule)
    services = bench.service(first), bench.service(other)
    async with bench.listening(*services, lost_after_s=0.05, retry_delays_s=(0.2,) * 50) as (session, heard):
        feed(session, encode_mulaw("a sentence that breaks both of them") + SILENCE)
        await heard.until(SttLost)
        await bench.script(other)
        assert await heard.texts(1) == ["a sentence that breaks both of them"]
        assert heard.kinds.count(SttLost) == 1


async def test_a_failing_service_is_not_asked_by_the_next_calls_until_a_probe_succeeds(bench: Bench) -> None:
    """Its breaker is shared by the calls of the process; calls after the third do not wait for it."""
    first, other = PROTOCOLS[3], PROTOCOLS[4]
    await bench.script(first, {"where": first.socket, "do": {"status": 503}})
    breaker = Breaker(Limits(failures_in_a_row=3, open_s=0.5))
    recognition = Recognition([bench.service(first, breaker=breaker), bench.service(other)])
    now = asyncio.get_running_loop().time
    try:
        for _ in range(3):
            heard = Ears()
            session = await recognition.open(CALL, heard)
            feed(session, encode_mulaw("hello") + SILENCE)
            assert await heard.texts(1) == ["hello"]
            await session.close()
        assert breaker.state(now()) is BreakerState.OPEN
        asked = len(await bench.lines(first))
        heard = Ears()
        session = await recognition.open(CALL, heard)
        feed(session, encode_mulaw("at once") + SILENCE)
        assert await heard.texts(1) == ["at once"]
        await session.close()
        assert len(await bench.lines(first)) == asked

        await bench.script(first)
        await bench.lines_when(first, lambda _: breaker.state(now()) is BreakerState.CLOSED)
        heard = Ears()
        session = await recognition.open(CALL, heard)
        feed(session, encode_mulaw("back again") + SILENCE)
        assert await heard.texts(1) == ["back again"]
        assert (await bench.lines(first))[-1]["audio_ms"] > 0
    finally:
        await recognition.close()


async def test_a_service_that_asks_for_time_is_passed_over_by_the_next_call(bench: Bench) -> None:
    """429 with Retry-After: the next caller does not ask it, although it would answer."""
    first, other = PROTOCOLS[3], PROTOCOLS[4]
    await bench.script(first, {"where": first.socket, "times": 1, "do": {"status": 429, "retry_after_s": 60}})
    recognition = Recognition([bench.service(first), bench.service(other)])
    try:
        for text in ("one", "two"):
            heard = Ears()
            session = await recognition.open(CALL, heard)
            feed(session, encode_mulaw(text) + SILENCE)
            assert await heard.texts(1) == [text]
            await session.close()
        assert len(await bench.lines(first)) == 1
    finally:
        await recognition.close()


# --- what one service does


async def test_flux_gets_pieces_of_80_ms_and_no_eager_threshold_unless_likely_ends_are_wanted(bench: Bench) -> None:
    """As Deepgram recommends; fewer messages than frames."""
    flux = PROTOCOLS[3]
    async with bench.listening(bench.service(flux)) as (session, heard):
        feed(session, SILENT_FRAME * 2)
        await bench.until(flux, "listen", 1)
        for frame in Framer().feed(encode_mulaw("hello") + SILENCE):
            session.feed(frame)
            await asyncio.sleep(0)
        assert await heard.texts(1) == ["hello"]
        (line,) = await bench.lines(flux)
        assert line["pieces"] <= line["audio_ms"] / 80 + 2
        assert "eager_eot_threshold" not in line["query"]


async def test_flux_reports_a_likely_end_before_the_end(bench: Bench) -> None:
    """With the text that the end then has."""
    async with bench.listening(bench.service(PROTOCOLS[3]), partials=True) as (session, heard):
        feed(session, encode_mulaw("I would like to order") + SILENCE)
        assert await heard.texts(1) == ["I would like to order"]
        assert heard.partials[-1] == PartialTranscript(text="I would like to order", is_likely_end=True)


async def test_nova_is_kept_awake_while_no_audio_comes(bench: Bench) -> None:
    """Deepgram hangs up after ten seconds without a message."""
    nova = PROTOCOLS[2]
    async with bench.listening(bench.service(nova)):
        (line,) = await bench.lines_when(nova, lambda lines: any(line["asked"] for line in lines))
        assert line["asked"][0] == {"type": "KeepAlive"}


async def test_a_whisper_server_may_answer_drop_by_drop(bench: Bench) -> None:
    drip = {"chunk_bytes": 1, "per_chunk_ms": 5}
    await bench.script(PROTOCOLS[-1], {"where": "transcription", "do": drip})
    async with bench.listening(bench.service(PROTOCOLS[-1])) as (session, heard):
        feed(session, encode_mulaw("slowly") + SILENCE)
        assert await heard.texts(1) == ["slowly"]


async def test_a_whisper_server_gets_one_recording_per_utterance(bench: Bench) -> None:
    """With the model, the language and the hint that are configured."""
    service = bench.service(PROTOCOLS[-1], model="small", language="de-CH", prompt="Grüezi")
    async with bench.listening(service) as (session, heard):
        feed(session, SILENCE + encode_mulaw("one") + SILENCE + encode_mulaw("two") + SILENCE)
        assert await heard.texts(2) == ["one", "two"]
        lines = await bench.lines(PROTOCOLS[-1], "transcription")
        asked = {"model": "small", "language": "de", "prompt": "Grüezi", "response_format": "json"}
        assert [line["form"] for line in lines] == [asked, asked]


@pytest.mark.parametrize("do", [{"garbage": True}, {"cut_after_bytes": 5}, {"status": 500}])
async def test_a_whisper_server_that_gives_no_answer_is_asked_again(bench: Bench, do: dict[str, Any]) -> None:
    """Nonsense, half an answer, an error."""
    await bench.script(PROTOCOLS[-1], {"where": "transcription", "times": 1, "do": do})
    async with bench.listening(bench.service(PROTOCOLS[-1]), retry_delays_s=SOON) as (session, heard):
        feed(session, encode_mulaw("again please") + SILENCE)
        assert await heard.texts(1) == ["again please"]


# --- as configured


async def test_the_limits_of_recognition_are_settings() -> None:
    """And their defaults those that a session has without any."""
    async with aiohttp.ClientSession() as http:
        usual = stt_for(Settings(), http)
        limits = {"connectTimeoutMs": 1500, "firstReadyTimeoutMs": 2500, "transcriptTimeoutMs": 700}
        own = {**limits, "lostAfterMs": 900, "reconnectAttempts": 6}
        tuned = stt_for(Settings.model_validate({"streaming": own}), http)
    assert isinstance(usual, Recognition)
    assert isinstance(tuned, Recognition)
    assert usual._patience == Patience()
    assert tuned._patience == Patience(
        connect_timeout_s=1.5,
        first_s=2.5,
        transcript_s=0.7,
        lost_after_s=0.9,
        retry_delays_s=(1.0, 2.0, 4.0, 8.0, 16.0, 16.0),
    )


async def test_every_number_shares_what_is_known_of_a_service() -> None:
    """A number with a language of its own has a recognition of its own, and no breaker of its own."""
    breakers = Breakers()
    async with aiohttp.ClientSession() as http:
        one, other = (stt_for(Settings.model_validate({"language": each}), http, breakers) for each in ("de", "fr"))
    assert isinstance(one, Recognition)
    assert isinstance(other, Recognition)
    assert one._services[0].breaker is other._services[0].breaker


async def test_a_service_that_refuses_our_key_is_passed_over_at_once(bench: Bench) -> None:
    """By every call, not only by the one that found out."""
    first, other = PROTOCOLS[2], _OTHER[PROTOCOLS[2].name]
    await bench.script(first, {"where": first.socket, "do": {"status": 401}})
    breaker = Breaker()
    services = bench.service(first, breaker=breaker), bench.service(other)
    async with bench.listening(*services) as (session, heard):
        feed(session, encode_mulaw("who is there") + SILENCE)
        assert await heard.texts(1) == ["who is there"]
        failover = heard.events[0]
    assert isinstance(failover, Failover)
    assert failover.reason == "unauthorized"
    assert breaker.is_refused
