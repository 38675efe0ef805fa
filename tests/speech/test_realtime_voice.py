"""OpenAI read aloud: what is not read as written is not played, and which model speaks when."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import date
from typing import Any

import pytest

from tests.simulators.service_process import running
from tests.speech.voices import VOICES, Service, all_of, words_in
from voicecall.manifests.openai import TTS, OpenAI
from voicecall.metrics import REGISTRY
from voicecall.speech.tts import openai
from voicecall.speech.tts.openai import RetiringVoice, Voice
from voicecall.speech.tts.openai_realtime import RealtimeVoice
from voicecall.speech.tts.patience import SynthesisTimeouts
from voicecall.speech.tts.refusal import Reworded

TEXT = "What time is it now, please?"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.openai") as url:
        yield url


@pytest.fixture
async def service(url: str) -> AsyncIterator[Service]:
    async with Service.using(VOICES["openai-realtime"], url) as service:
        yield service


def reworded(result: str) -> float:
    return REGISTRY.get_sample_value("voicecall_tts_reworded_total", {"result": result}) or 0.0


async def heard_until_reworded(service: Service) -> int:
    heard = 0

    async def listen() -> None:
        nonlocal heard
        async for chunk in service.speaker().speak(TEXT):
            heard += len(chunk)

    with pytest.raises(Reworded):
        await listen()
    return heard


@pytest.mark.parametrize(
    "says", ["It is three o'clock.", "What time do you mean?", "Sure! What time is it now, please?"]
)
async def test_a_sentence_in_other_words_is_never_heard(service: Service, says: str) -> None:
    """Its transcript comes before its audio; the response is cancelled, or over, and the session speaks on."""
    before = reworded("unheard")
    await service.misbehave("reading", times=1, says=says, per_chunk_ms=20)
    voice = service.speaker()
    with pytest.raises(Reworded):
        await all_of(voice, TEXT)
    assert reworded("unheard") == before + 1
    await service.until("reading", lambda lines: lines[0]["outcome"] == "cancelled")
    assert words_in(await all_of(voice, TEXT)) == [TEXT]


@pytest.mark.parametrize("says", [f"{TEXT} Is there anything else?", "What time is it now?"])
async def test_what_is_added_or_left_out_at_the_end_is_a_failure(service: Service, says: str) -> None:
    """Some was heard, as far as it agreed; the rest is not."""
    await service.misbehave("reading", says=says, per_chunk_ms=20)
    assert await heard_until_reworded(service) <= 8 * 40 * len(TEXT)


async def test_audio_waits_for_its_transcript(service: Service) -> None:
    """Where it comes first, nothing is played until the text is known to be the one."""
    await service.misbehave("reading", audio_first=True, says="It is three o'clock.")
    assert await heard_until_reworded(service) == 0
    await service.misbehave("reading", audio_first=True)
    assert words_in(await all_of(service.speaker(), TEXT)) == [TEXT]


async def test_another_format_than_mulaw_is_refused_before_a_frame(service: Service) -> None:
    """The negotiated format is checked."""
    await service.misbehave("voice", keeps_pcm=True)
    with pytest.raises(Exception, match="openai-tts: does not send mu-law"):
        await all_of(service.speaker(), TEXT)


async def test_the_session_is_opened_ahead_and_kept(service: Service) -> None:
    """One socket for the call that rings, its first sentence and the next one; a sentence beside it has its own."""
    voice = service.speaker()
    voice.warm()
    await service.until("voice", lambda lines: lines)
    for _ in range(2):
        assert words_in(await all_of(voice, TEXT)) == [TEXT]
    assert len(await service.lines("voice")) == 1
    async with aclosing(voice.speak(TEXT)) as first:
        await anext(first)
        await all_of(voice, TEXT)
    assert len(await service.lines("voice")) == 2


async def test_each_ringing_call_has_a_session(service: Service) -> None:
    """Three that ring at once, and a fourth for which one of them is left over."""
    voice = service.speaker()
    for _ in range(3):
        voice.warm()
    assert words_in(await all_of(voice, TEXT)) == [TEXT]
    voice.warm()
    await asyncio.gather(*(all_of(voice, TEXT) for _ in range(3)))
    assert len(await service.lines("voice")) == 3


async def test_what_is_requested_is_reading_outside_of_any_conversation(service: Service) -> None:
    """With the session's format and voice, and without an answer to what the text asks."""
    await all_of(service.speaker(), TEXT)
    (line,) = await service.lines("voice")
    update, create = line["asked"]
    output: dict[str, Any] = update["session"]["audio"]["output"]
    assert (line["query"]["model"], output["format"], output["voice"]) == (
        "gpt-realtime-2.1-mini",
        {"type": "audio/pcmu"},
        "alloy",
    )
    assert create["response"]["conversation"] == "none"
    assert "word for word" in create["response"]["instructions"]


def built(**block: Any) -> Any:
    """The voice of a configuration, without a network."""
    return openai.build(OpenAI.model_validate(block), SynthesisTimeouts(), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", TTS.retiring)
async def test_a_model_with_an_end_speaks_until_that_day(model: str) -> None:
    """Then the default does, without a change of the configuration."""
    made = built(model=model)
    assert isinstance(made, RetiringVoice)
    stops = date(2027, 1, 6)
    days = iter([date(2027, 1, 5), stops])
    turning = RetiringVoice(made._now, made._then, model, today=lambda: next(days))
    assert isinstance(turning._voice, Voice)
    assert isinstance(turning._voice, RealtimeVoice)


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({}, RealtimeVoice),
        ({"baseUrl": "https://eu.api.openai.com/v1"}, RealtimeVoice),
        ({"model": "gpt-realtime-2.1"}, RealtimeVoice),
        ({"baseUrl": "http://127.0.0.1:8880/v1"}, Voice),
        ({"baseUrl": "http://127.0.0.1:8880/v1", "model": "tts-1"}, Voice),
        ({"model": "a-model-of-the-future"}, Voice),
    ],
)
async def test_the_model_and_the_address_choose_the_way(block: dict[str, Any], kind: type) -> None:
    """The default depends on no model that ends; a server of one's own has no Realtime."""
    assert type(built(**block)) is kind


@pytest.mark.parametrize(("voice", "used"), [("nova", "coral"), ("marin", "marin"), ("voice_123", {"id": "voice_123"})])
async def test_a_voice_that_realtime_lacks_is_replaced(service: Service, voice: str, used: object) -> None:
    block = {"apiKey": "a-key", "baseUrl": f"{service.simulator.url}/v1", "model": "gpt-realtime-2.1-mini"}
    made = openai.build(
        OpenAI.model_validate({**block, "voice": voice, "speed": 4}), SynthesisTimeouts(), service.simulator.session
    )
    assert words_in(await all_of(made, TEXT)) == [TEXT]
    (line,) = await service.lines("voice")
    assert line["asked"][0]["session"]["audio"]["output"]["voice"] == used
    await made.close()


async def test_an_interrupted_session_is_free_when_the_service_says_so(service: Service) -> None:
    """Twenty interruptions in a row: every response is cancelled, and no more sockets than needed are open."""
    voice = service.speaker()
    await service.misbehave("reading", chunk_bytes=800, per_chunk_ms=30)
    for _ in range(20):
        async with aclosing(voice.speak(TEXT)) as audio:
            await anext(audio)
    lines = await service.until("reading", lambda lines: all(line["outcome"] == "cancelled" for line in lines))
    assert len(lines) == 20
    await asyncio.sleep(0)
    assert len(await service.lines("voice")) <= 4
