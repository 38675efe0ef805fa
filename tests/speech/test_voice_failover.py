"""Fail-over between voices: inside the turn, counted, and without asking a service that keeps failing."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest

from tests.fakes.ports import eventually
from tests.speech.voices import all_of
from voicecall.breaker import Breaker, Breakers, BreakerState, Limits
from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.metrics import REGISTRY
from voicecall.settings import Settings, parse_settings
from voicecall.speech.registry import tts_for
from voicecall.speech.retiring import retiring_models
from voicecall.speech.tts.fallback import FallbackVoice
from voicecall.speech.tts.refusal import Reworded, TextRefused


class Scripted:
    """A voice that fails as often as it is told to, then speaks its own name."""

    def __init__(self, name: str, *failures: ServiceError | None, for_ever: ServiceError | None = None) -> None:
        self.name = name
        self.failures = list(failures)
        self.for_ever = for_ever
        self.asked: list[str] = []
        self.warmed = 0
        self.is_closed = False

    def warm(self) -> None:
        self.warmed += 1

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        self.asked.append(text)
        failure = self.failures.pop(0) if self.failures else self.for_ever
        if failure is not None:
            raise failure
        yield self.name.encode()

    async def close(self) -> None:
        self.is_closed = True


def down(name: str = "first", **more: Any) -> ServiceError:
    return ServiceError(name, "is down", **more)


def counted(failed: str, used: str) -> float:
    labels = {"service": "tts", "from": failed, "to": used}
    return REGISTRY.get_sample_value("voicecall_provider_failover_total", labels) or 0.0


@pytest.fixture
async def breakers() -> dict[str, Breaker]:
    return {name: Breaker(Limits(open_s=0.1)) for name in ("first", "second")}


async def test_who_speaks_in_whose_place_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = counted("first", "second")
    voice = FallbackVoice({"first": Scripted("1", down()), "second": Scripted("2")})
    with caplog.at_level(logging.INFO):
        assert await all_of(voice, "Hello.") == b"2"
        assert await all_of(voice, "Hello.") == b"1"
    assert counted("first", "second") == before + 1
    (record,) = [record for record in caplog.records if record.message == "another provider took over"]
    facts = (record.__dict__["failed"], record.__dict__["used"], record.__dict__["reason"])
    assert facts == ("first", "second", "first: is down")
    await voice.close()


async def test_a_voice_that_keeps_failing_is_passed_over_until_a_probe_finds_it(breakers: dict[str, Breaker]) -> None:
    """The callers after the third do not wait for it, and none of them tries whether it is back."""
    first, second = Scripted("1", *[down()] * 3), Scripted("2")
    voice = FallbackVoice({"first": first, "second": second}, breakers=breakers)
    for _ in range(5):
        assert await all_of(voice, "A caller's sentence.") == b"2"
    assert first.asked == ["A caller's sentence."] * 3
    await eventually(lambda: breakers["first"].state(asyncio.get_running_loop().time()) is BreakerState.CLOSED)
    assert first.asked[3:] == ["Hello."]
    assert await all_of(voice, "A caller's sentence.") == b"1"
    await voice.close()


async def test_retry_after_keeps_a_voice_out_for_that_long(breakers: dict[str, Breaker]) -> None:
    """It said itself when to ask again."""
    first = Scripted("1", down(retry_after_s=60.0))
    voice = FallbackVoice({"first": first, "second": Scripted("2")}, breakers=breakers)
    for _ in range(3):
        assert await all_of(voice, "Hello.") == b"2"
    assert first.asked == ["Hello."]
    await voice.close()


async def test_voices_that_are_all_passed_over_are_asked_all_the_same(breakers: dict[str, Breaker]) -> None:
    """Better one that may be back than certain silence; the only voice of a configuration is never muted."""
    first, second = Scripted("1", *[down()] * 4), Scripted("2", *[down("second")] * 3)
    voice = FallbackVoice({"first": first, "second": second}, breakers=breakers)
    for _ in range(3):
        with pytest.raises(ServiceError):
            await all_of(voice, "Hello.")
    assert await all_of(voice, "Hello.") == b"2"
    await voice.close()


async def test_calls_of_every_number_share_what_is_known_of_a_service() -> None:
    """By service, address and key: another server of that name is another service."""
    shared = Breakers()
    assert shared.of("openai", "http://a", "k") is shared.of("openai", "http://a", "k")
    assert shared.of("openai", "http://a", "k") is not shared.of("openai", "http://b", "k")
    assert shared.of("openai", "http://a", "k") is not shared.of("openai", "http://a", "other")


async def test_what_is_refused_for_its_text_says_nothing_of_the_service(breakers: dict[str, Breaker]) -> None:
    """Nor does an interruption before any audio."""
    first = Scripted("1", *[TextRefused("first", "x")] * 5)
    voice = FallbackVoice({"first": first, "second": Scripted("2")}, breakers=breakers)
    for _ in range(6):
        await all_of(voice, "Hello.")
    assert len(first.asked) == 6
    await voice.close()


async def test_a_reworded_sentence_is_spoken_by_the_next_voice_or_asked_for_again() -> None:
    """The same model may read it properly the second time, which is tried only when no other can."""
    first, second = Scripted("1", Reworded("first")), Scripted("2")
    voice = FallbackVoice({"first": first, "second": second})
    assert await all_of(voice, "Hello.") == b"2"
    alone = FallbackVoice({"first": Scripted("1", Reworded("first"))})
    assert await all_of(alone, "Hello.") == b"1"
    stubborn = Scripted("1", for_ever=Reworded("first"))
    with pytest.raises(ServiceError, match="did not read the text as it is written"):
        await all_of(FallbackVoice({"first": stubborn}), "Hello.")
    assert len(stubborn.asked) == 2


async def test_the_voice_that_would_speak_is_the_one_that_is_warmed(breakers: dict[str, Breaker]) -> None:
    first, second = Scripted("1", for_ever=down()), Scripted("2")
    voice = FallbackVoice({"first": first, "second": second}, breakers=breakers)
    voice.warm()
    for _ in range(3):
        await all_of(voice, "Hello.")
    voice.warm()
    assert (first.warmed, second.warmed) == (1, 1)
    await voice.close()
    assert first.is_closed
    assert second.is_closed


async def test_nothing_probes_after_the_end(breakers: dict[str, Breaker]) -> None:
    """A process that stops leaves no task."""
    before = asyncio.all_tasks()
    first = Scripted("1", for_ever=ServiceTimeout("first", "no answer in time"))
    voice = FallbackVoice({"first": first, "second": Scripted("2")}, breakers=breakers)
    for _ in range(4):
        await all_of(voice, "Hello.")
    assert asyncio.all_tasks() != before
    await voice.close()
    assert asyncio.all_tasks() == before


async def test_a_stopped_sentence_stops_its_voice() -> None:
    """Through the fall-over too."""
    closed: list[bool] = []

    class Endless(Scripted):
        async def speak(self, text: str) -> AsyncGenerator[bytes]:
            try:
                while True:
                    yield text.encode()
            finally:
                closed.append(True)

    voice = FallbackVoice({"first": Scripted("1", down()), "second": Endless("2")})
    async with aclosing(voice.speak("Hello.")) as audio:
        await anext(audio)
    assert closed == [True]


# --- as configured


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


KEYS = {"OPENAI_API_KEY": "a", "ELEVENLABS_API_KEY": "b", "DEEPGRAM_API_KEY": "c"}


@pytest.mark.parametrize(
    ("tts", "voices"),
    [
        ("{}", ("openai", "elevenlabs", "deepgram")),
        ('{provider: "deepgram"}', ("deepgram", "openai", "elevenlabs")),
        ('{provider: "deepgram", fallbacks: []}', ("deepgram",)),
        ('{provider: "deepgram", fallbacks: ["elevenlabs", "deepgram"]}', ("deepgram", "elevenlabs")),
        ('{fallbacks: ["openai"]}', ("elevenlabs", "openai")),
        (
            '{provider: "openai-compatible", fallbacks: ["openai"], compatible: {baseUrl: "http://127.0.0.1:1"}}',
            ("compatible", "openai"),
        ),
        ('{provider: "compatible", compatible: {apiKey: "k"}}', ("openai", "elevenlabs", "deepgram")),
    ],
)
def test_the_order_of_voices_is_the_configured_one(tts: str, voices: tuple[str, ...]) -> None:
    """Without `fallbacks`: the others with a key."""
    assert parse_settings(f"{{tts: {tts}}}", KEYS).tts.voices == voices


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_all_voices_together_have_eight_seconds(http: aiohttp.ClientSession, number: int) -> None:
    """Each that another one follows has two and a half at most."""
    names = ("openai", "elevenlabs", "deepgram", "compatible")[:number]
    blocks = {name: {"apiKey": "k", "baseUrl": "http://127.0.0.1:9"} for name in names}
    voice = tts_for(Settings.model_validate({"tts": blocks}), http)
    assert isinstance(voice, FallbackVoice)
    limits = [each.port._options.timeouts.first_audio_s for each in voice._chain.providers]  # type: ignore[attr-defined]
    assert sum(limits) == pytest.approx(8)
    assert all(limit <= 2.5 for limit in limits[:-1])


def test_a_model_ends_at_its_makers_address() -> None:
    """At another address than OpenAI's it does not."""
    own = parse_settings('{tts: {openai: {model: "tts-1"}}}', KEYS)
    elsewhere = parse_settings('{tts: {openai: {model: "tts-1", baseUrl: "http://127.0.0.1:1"}}}', KEYS)
    assert (retiring_models(own), retiring_models(elsewhere)) == ({"tts.openai.model": "tts-1"}, {})
