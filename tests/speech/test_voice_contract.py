"""What every voice keeps to, whatever its protocol: run over all adapters, each against its simulator."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from tests.speech.voices import VOICES, Service, all_of, services, words_in
from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.ports import TextToSpeech

TEXT = "Your table is booked for seven."


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with services() as urls:
        yield urls


@pytest.fixture(params=VOICES)
async def service(request: pytest.FixtureRequest, urls: dict[str, str]) -> AsyncIterator[Service]:
    voice = VOICES[request.param]
    async with Service.using(voice, urls[voice.simulator]) as service:
        yield service


async def failure_of(voice: TextToSpeech, text: str = TEXT, *, pause_s: float = 0.0) -> tuple[ServiceError, int]:
    """The error, and how many bytes came before it. `pause_s`: after each piece, as audio is played."""
    heard = 0
    try:
        async for chunk in voice.speak(text):
            heard += len(chunk)
            await asyncio.sleep(pause_s)
    except ServiceError as error:
        return error, heard
    raise AssertionError("the voice did not fail")


async def test_a_text_is_heard_to_the_letter(service: Service) -> None:
    """As mu-law at 8 kHz, whatever the service sends; one voice speaks one sentence after the other."""
    voice = service.speaker()
    for text in (TEXT, "Does that suit you?"):
        mulaw = await all_of(voice, text)
        assert words_in(mulaw) == [text]
        assert len(mulaw) == 8 * (len(text) * 40 + 40)


async def test_a_slow_voice_is_waited_for(service: Service) -> None:
    await service.misbehave(service.voice.speaking, delay_ms=300)
    assert words_in(await all_of(service.speaker(first_audio_s=5), TEXT)) == [TEXT]


async def test_a_voice_that_is_too_slow_is_given_up(service: Service) -> None:
    """At the limit of the first audio, and for good: the next voice may still speak in this turn."""
    await service.misbehave(service.voice.speaking, delay_ms=5000)
    error, heard = await failure_of(service.speaker(first_audio_s=0.3))
    assert (type(error), heard) == (ServiceTimeout, 0)


@pytest.mark.parametrize("where", ["connecting", "speaking"])
async def test_a_silent_service_is_given_up(service: Service, where: str) -> None:
    """One that accepts the connection and never answers."""
    await service.misbehave(getattr(service.voice, where), hang=True)
    error, heard = await failure_of(service.speaker(first_audio_s=0.3, connect_s=0.3))
    assert (type(error), heard) == (ServiceTimeout, 0)


async def test_dripping_audio_is_passed_on_as_it_comes(service: Service) -> None:
    """In pieces of any size."""
    await service.misbehave(service.voice.speaking, chunk_bytes=333, per_chunk_ms=1)
    assert words_in(await all_of(service.speaker(), TEXT)) == [TEXT]


async def test_a_voice_that_falls_silent_in_mid_sentence_fails(service: Service) -> None:
    await service.misbehave(service.voice.speaking, chunk_bytes=9000, per_chunk_ms=5000)
    error, heard = await failure_of(service.speaker(stall_s=0.3), TEXT * 3)
    assert isinstance(error, ServiceTimeout)
    assert heard > 0


@pytest.mark.parametrize("disguise", ["noise", "mp3", "text"])
async def test_what_is_no_speech_is_not_played(service: Service, disguise: str) -> None:
    """Compressed audio, an error message, rubbish: as samples they would be loud noise."""
    await service.misbehave(service.voice.speaking, disguise=disguise)
    error, heard = await failure_of(service.speaker())
    assert (heard, error.retryable) == (0, False)
    assert TEXT not in str(error)


async def test_endless_audio_is_cut_however_slowly_it_is_played(service: Service) -> None:
    """What a call has not played yet is kept in memory: no service may fill it."""
    await service.misbehave(service.voice.speaking, disguise="endless", chunk_bytes=200_000)
    error, _ = await failure_of(service.speaker(), "Hi.", pause_s=0.05)
    assert "sent more audio than the text can be" in str(error)


async def test_nonsense_on_a_socket_is_passed_over(service: Service) -> None:
    """Before a session and its settings."""
    if service.voice.is_socket:
        await service.misbehave(service.voice.connecting, garbage=True)
    assert words_in(await all_of(service.speaker(), TEXT)) == [TEXT]


async def test_a_wav_file_is_understood(service: Service) -> None:
    """By its own header, whose rate is not the requested one."""
    await service.misbehave(service.voice.speaking, disguise="wav")
    assert words_in(await all_of(service.speaker(), TEXT)) == [TEXT]


async def test_another_rate_is_converted_where_it_is_named_and_refused_where_it_is_not(service: Service) -> None:
    """HTTP has a content type; on a socket PCM in place of mu-law is noise."""
    await service.misbehave(service.voice.speaking, disguise="rate")
    if service.voice.is_socket:
        error, heard = await failure_of(service.speaker())
        assert (heard, error.retryable) == (0, False)
    else:
        assert words_in(await all_of(service.speaker(), TEXT)) == [TEXT]


async def test_a_busy_service_is_asked_again_when_it_says(service: Service) -> None:
    """429 with Retry-After: busy is not broken."""
    await service.misbehave(service.voice.connecting, times=1, status=429, retry_after_s=1)
    started = asyncio.get_running_loop().time()
    assert words_in(await all_of(service.speaker(), TEXT)) == [TEXT]
    assert asyncio.get_running_loop().time() - started >= 1
    assert len(await service.lines(service.voice.requests)) == 2


async def test_a_service_that_is_busy_for_long_is_not_waited_for(service: Service) -> None:
    await service.misbehave(service.voice.connecting, status=429, retry_after_s=60)
    error, _ = await failure_of(service.speaker())
    assert (error.retryable, error.retry_after_s) == (True, 60.0)
    assert len(await service.lines(service.voice.requests)) == 1


async def test_a_wrong_key_is_final(service: Service) -> None:
    await service.script(api_key="another-key")
    error, heard = await failure_of(service.speaker())
    assert (error.retryable, heard) == (False, 0)
    assert "a-key" not in str(error)
    assert len(await service.lines()) <= 2  # at OpenAI a refusal is a line of its own


async def test_a_connection_that_breaks_before_any_audio_is_tried_again(service: Service) -> None:
    await service.misbehave(service.voice.speaking, times=1, cut_after_bytes=0)
    assert words_in(await all_of(service.speaker(), TEXT)) == [TEXT]


async def test_a_connection_that_breaks_in_mid_sentence_fails(service: Service) -> None:
    """What the caller has heard is not begun again."""
    await service.misbehave(service.voice.speaking, cut_after_bytes=4800)
    error, heard = await failure_of(service.speaker())
    assert error.retryable
    assert heard > 0


async def test_a_connection_closed_between_two_turns_costs_nothing(service: Service) -> None:
    """Services close what is unused; the next sentence is spoken as if it was the first."""
    voice = service.speaker()
    assert words_in(await all_of(voice, TEXT)) == [TEXT]
    await service.simulator.delete("/_sim/connections")
    assert words_in(await all_of(voice, TEXT)) == [TEXT]


async def test_a_stopped_sentence_is_stopped_at_the_service(service: Service) -> None:
    """Barge-in: the rest is neither synthesised nor paid for, and the voice speaks on."""
    await service.misbehave(service.voice.speaking, times=1, chunk_bytes=4000, per_chunk_ms=500)
    voice = service.speaker()
    async with aclosing(voice.speak(TEXT * 5)) as audio:
        await anext(audio)
    await service.until(service.voice.speaking, lambda lines: lines[0]["outcome"] in {"client_gone", "cancelled"})
    assert words_in(await all_of(voice, TEXT)) == [TEXT]


@pytest.mark.parametrize("text", ["", "  ", "x" * 40_001])
async def test_text_that_cannot_be_spoken_is_refused_without_a_mark_on_the_service(service: Service, text: str) -> None:
    error, _ = await failure_of(service.speaker(), text)
    assert not error.retryable


async def test_nothing_is_left_of_a_closed_voice(service: Service) -> None:
    """No task and no socket, after sentences that were spoken, stopped and broken."""
    before = asyncio.all_tasks()
    voice = service.speaker(first_audio_s=0.3)
    voice.warm()
    await all_of(voice, TEXT)
    async with aclosing(voice.speak(TEXT)) as audio:
        await anext(audio)
    await service.misbehave(service.voice.speaking, hang=True)
    await failure_of(voice)
    voice.warm()
    await voice.close()
    assert asyncio.all_tasks() == before
    await service.until_no_socket()
