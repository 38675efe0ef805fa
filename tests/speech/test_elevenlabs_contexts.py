"""ElevenLabs' multi-context WebSocket: opened ahead, one context a sentence, and never more than five on a socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from tests.simulators.service_process import running
from tests.speech.voices import VOICES, Service, all_of, words_in
from voicecall.speech.tts.elevenlabs_socket import MOST_CONTEXTS

TEXT = "Your table is booked for seven."


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.elevenlabs") as url:
        yield url


@pytest.fixture
async def service(url: str) -> AsyncIterator[Service]:
    async with Service.using(VOICES["elevenlabs-websocket"], url) as service:
        yield service


async def test_a_connection_of_the_ringing_phone_speaks_every_sentence(service: Service) -> None:
    """In the telephone's format, with the settings of the voice."""
    voice = service.speaker()
    voice.warm()
    await service.until("socket", lambda lines: lines)
    for _ in range(3):
        assert words_in(await all_of(voice, TEXT)) == [TEXT]
    (line,) = await service.lines("socket")
    assert line["query"]["output_format"] == "ulaw_8000"
    assert line["most_contexts"] == 1
    assert len({context["context"] for context in await service.lines("context")}) == 3


async def test_interruptions_never_open_a_sixth_context(service: Service) -> None:
    """The old one is closed at each, and one that the service has not ended yet counts: it closes with 1008 else."""
    voice = service.speaker()
    await service.misbehave("context", chunk_bytes=400, per_chunk_ms=100)
    for _ in range(30):
        async with aclosing(voice.speak(TEXT)) as audio:
            await anext(audio)
    sockets = await service.lines("socket")
    assert max(line["most_contexts"] for line in sockets) <= MOST_CONTEXTS
    assert not [line for line in sockets if line["outcome"] == "refused"]
    await service.until("context", lambda lines: {line["outcome"] for line in lines} <= {"cancelled", "complete"})


async def test_contexts_that_never_end_are_counted(service: Service) -> None:
    """A service that does not report their end gets another socket, not a sixth context."""
    voice = service.speaker(first_audio_s=0.05)
    await service.misbehave("context", hang=True)
    for _ in range(MOST_CONTEXTS + 2):
        with pytest.raises(Exception, match="fell silent"):
            await all_of(voice, TEXT)
    assert max(line["most_contexts"] for line in await service.lines("socket")) <= MOST_CONTEXTS


async def test_twenty_sentences_at_once_have_a_socket_each(service: Service) -> None:
    """One that breaks costs one call one sentence; afterwards the sockets are kept for the next ones."""
    voice = service.speaker()
    for _ in range(2):
        heard = await asyncio.gather(*(all_of(voice, TEXT) for _ in range(20)))
        assert {tuple(words_in(each)) for each in heard} == {(TEXT,)}
    assert len(await service.lines("socket")) == 20


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (500, True)])
async def test_an_error_of_a_context_is_an_error_of_its_sentence(
    service: Service, status: int, *, retryable: bool
) -> None:
    """And is tried once more."""
    voice = service.speaker()
    await service.misbehave("context", times=1, status=status)
    assert words_in(await all_of(voice, TEXT)) == [TEXT]
    await service.misbehave("context", status=status)
    with pytest.raises(Exception, match="reported an error: ") as failure:
        await all_of(voice, TEXT)
    assert failure.value.retryable is retryable  # type: ignore[attr-defined]
