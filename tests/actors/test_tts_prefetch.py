"""Synthesis begun before its commit: never heard before it, never wasted twice, never left running."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.tts_prefetch import TtsPrefetch
from tests.fakes.ports import eventually
from voicecall.aio import closing
from voicecall.errors import ServiceError


class SpeakerHarness:
    """Says each text in three chunks; knows what was begun, finished and stopped."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.failure = failure
        self.gate = asyncio.Event()

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        self.begun.append(text)
        try:
            for _ in range(3):
                yield text.encode()
            if self.failure is not None:
                raise self.failure
            await self.gate.wait()
        finally:
            self.ended.append(text)


async def test_what_was_begun_is_there_when_it_is_asked_for() -> None:
    speaker = SpeakerHarness()
    speaker.gate.set()
    ahead = TtsPrefetch(speaker.speak)
    ahead.begin("hi")
    await eventually(lambda: speaker.ended == ["hi"])
    audio = ahead.take("hi")
    assert audio is not None
    assert [chunk async for chunk in audio] == [b"hi"] * 3
    assert speaker.begun == ["hi"]


async def test_another_sentence_than_the_one_begun_is_made_anew() -> None:
    speaker = SpeakerHarness()
    ahead = TtsPrefetch(speaker.speak)
    ahead.begin("hi")
    await eventually(lambda: speaker.begun == ["hi"])
    assert ahead.take("ho") is None
    await eventually(lambda: speaker.ended == ["hi"])


async def test_what_nobody_wants_is_stopped() -> None:
    """A caller who interrupts must not pay for the sentence nobody will hear."""
    speaker = SpeakerHarness()
    ahead = TtsPrefetch(speaker.speak)
    ahead.begin("hi")
    await eventually(lambda: speaker.begun == ["hi"])
    ahead.forget()
    await eventually(lambda: speaker.ended == ["hi"])
    assert ahead.take("hi") is None


async def test_closing_what_was_taken_stops_the_synthesis() -> None:
    speaker = SpeakerHarness()
    ahead = TtsPrefetch(speaker.speak)
    ahead.begin("hi")
    audio = ahead.take("hi")
    assert audio is not None
    async with closing(audio) as chunks:
        assert await anext(chunks) == b"hi"
    await eventually(lambda: speaker.ended == ["hi"])


async def test_a_failure_is_met_by_whoever_takes_it() -> None:
    speaker = SpeakerHarness(ServiceError("tts", "down"))
    ahead = TtsPrefetch(speaker.speak)
    ahead.begin("hi")
    audio = ahead.take("hi")
    assert audio is not None
    heard: list[bytes] = []
    with pytest.raises(ServiceError):
        await collect(audio, heard)
    assert heard == [b"hi"] * 3


async def collect(audio: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for chunk in audio:
        into.append(chunk)  # noqa: PERF401 - what came before the failure is the point
