"""TTS started before its commit: synthesised once, never left running."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.prefetch import TtsPrefetch
from tests.fakes.ports import eventually
from voicecall.aio import closing
from voicecall.errors import ServiceError


class GatedTts:
    """Gives each text in three chunks, and records what was started and what has ended."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.failure = failure
        self.gate = asyncio.Event()

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        self.started.append(text)
        try:
            for _ in range(3):
                yield text.encode()
            if self.failure is not None:
                raise self.failure
            await self.gate.wait()
        finally:
            self.ended.append(text)


async def test_prefetched_audio_is_taken_without_a_second_synthesis() -> None:
    tts = GatedTts()
    tts.gate.set()
    prefetch = TtsPrefetch(tts.speak)
    prefetch.start("hi")
    await eventually(lambda: tts.ended == ["hi"])
    audio = prefetch.take("hi")
    assert audio is not None
    assert [chunk async for chunk in audio] == [b"hi"] * 3
    assert tts.started == ["hi"]


async def test_taking_another_sentence_than_the_prefetched_one_stops_it() -> None:
    tts = GatedTts()
    prefetch = TtsPrefetch(tts.speak)
    prefetch.start("hi")
    await eventually(lambda: tts.started == ["hi"])
    assert prefetch.take("ho") is None
    await eventually(lambda: tts.ended == ["hi"])


async def test_a_cancelled_prefetch_is_stopped() -> None:
    """After a barge-in the sentence is not spoken, and must not be paid for."""
    tts = GatedTts()
    prefetch = TtsPrefetch(tts.speak)
    prefetch.start("hi")
    await eventually(lambda: tts.started == ["hi"])
    prefetch.cancel()
    await eventually(lambda: tts.ended == ["hi"])
    assert prefetch.take("hi") is None


async def test_closing_the_taken_audio_stops_the_synthesis() -> None:
    tts = GatedTts()
    prefetch = TtsPrefetch(tts.speak)
    prefetch.start("hi")
    audio = prefetch.take("hi")
    assert audio is not None
    async with closing(audio) as chunks:
        assert await anext(chunks) == b"hi"
    await eventually(lambda: tts.ended == ["hi"])


async def test_a_failure_is_raised_where_the_audio_is_read() -> None:
    tts = GatedTts(ServiceError("tts", "down"))
    prefetch = TtsPrefetch(tts.speak)
    prefetch.start("hi")
    audio = prefetch.take("hi")
    assert audio is not None
    heard: list[bytes] = []
    with pytest.raises(ServiceError):
        await collect(audio, heard)
    assert heard == [b"hi"] * 3


async def collect(audio: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for chunk in audio:
        into.append(chunk)  # noqa: PERF401  the chunks before the failure are what the test is about
