"""Every adapter of speech synthesis, with its simulator: what the contract suite is run over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulators.stack.clients import Simulator
from simulators.tones import decode_all
from tests.simulators.service_process import running
from voicecall.manifests.deepgram import DeepgramVoice
from voicecall.manifests.elevenlabs import ElevenLabs
from voicecall.manifests.openai import OpenAI
from voicecall.ports import TextToSpeech
from voicecall.speech.tts import deepgram, elevenlabs, openai
from voicecall.speech.tts.patience import SynthesisTimeouts

__all__ = ["SERVICES", "VOICES", "Service", "all_of", "services", "words_in"]

Build = Callable[[str, SynthesisTimeouts, aiohttp.ClientSession], TextToSpeech]


@dataclass(frozen=True, kw_only=True)
class Voice:
    """`connecting`, `speaking`: where the simulator's faults of a connection and of a sentence apply."""

    simulator: str
    build: Build
    connecting: str
    speaking: str
    requests: str
    is_socket: bool = False


def _openai(url: str, timeouts: SynthesisTimeouts, http: aiohttp.ClientSession, model: str) -> TextToSpeech:
    block = OpenAI.model_validate({"apiKey": "a-key", "baseUrl": f"{url}/v1", "model": model})
    return openai.build(block, timeouts, http)


def _elevenlabs(url: str, timeouts: SynthesisTimeouts, http: aiohttp.ClientSession, transport: Any) -> TextToSpeech:
    block = ElevenLabs.model_validate({"apiKey": "a-key", "baseUrl": url, "transport": transport})
    return elevenlabs.build(block, timeouts, http)


VOICES = {
    "openai-http": Voice(
        simulator="openai",
        build=lambda url, timeouts, http: _openai(url, timeouts, http, "gpt-4o-mini-tts"),
        connecting="speech",
        speaking="speech",
        requests="speech",
    ),
    "openai-realtime": Voice(
        simulator="openai",
        build=lambda url, timeouts, http: _openai(url, timeouts, http, "gpt-realtime-2.1-mini"),
        connecting="voice",
        speaking="reading",
        requests="voice",
        is_socket=True,
    ),
    "elevenlabs-http": Voice(
        simulator="elevenlabs",
        build=lambda url, timeouts, http: _elevenlabs(url, timeouts, http, "http"),
        connecting="speech",
        speaking="speech",
        requests="speech",
    ),
    "elevenlabs-websocket": Voice(
        simulator="elevenlabs",
        build=lambda url, timeouts, http: _elevenlabs(url, timeouts, http, "websocket"),
        connecting="socket",
        speaking="context",
        requests="socket",
        is_socket=True,
    ),
    "deepgram": Voice(
        simulator="deepgram",
        build=lambda url, timeouts, http: deepgram.build(
            DeepgramVoice.model_validate({"apiKey": "a-key", "baseUrl": f"{url}/v1"}), timeouts, http
        ),
        connecting="speech",
        speaking="speech",
        requests="speech",
    ),
}
SERVICES = sorted({voice.simulator for voice in VOICES.values()})


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """The simulators as processes: name and URL."""
    with ExitStack() as stack, ThreadPoolExecutor() as side_by_side:
        urls = side_by_side.map(lambda name: stack.enter_context(running(f"simulators.{name}")), SERVICES)
        yield dict(zip(SERVICES, urls, strict=True))


class Service:
    """A voice against its simulator, for one test."""

    def __init__(self, voice: Voice, url: str, http: aiohttp.ClientSession) -> None:
        self.voice = voice
        self.simulator = Simulator(url)
        self._http = http
        self._made: list[TextToSpeech] = []

    @classmethod
    @asynccontextmanager
    async def using(cls, voice: Voice, url: str) -> AsyncIterator["Service"]:
        async with aiohttp.ClientSession() as http:
            service = cls(voice, url, http)
            try:
                yield service
            finally:
                for made in service._made:
                    await made.close()
                await service.simulator.delete("/_sim/script")
                await service.simulator.delete("/_sim/ledger")
                await service.simulator.close()

    def speaker(self, **timeouts: float) -> TextToSpeech:
        made = self.voice.build(self.simulator.url, SynthesisTimeouts(**timeouts), self._http)
        self._made.append(made)
        return made

    async def misbehave(self, where: str, *, times: int | None = None, **do: Any) -> None:
        rule = {"where": where, "do": do} | ({} if times is None else {"times": times})
        await self.simulator.post("/_sim/script", {"misbehave": [rule]})

    async def script(self, **sections: Any) -> None:
        await self.simulator.post("/_sim/script", sections)

    async def lines(self, *kinds: str) -> list[dict[str, Any]]:
        query = {"kind": kinds[0]} if kinds else {}
        lines: list[dict[str, Any]] = (await self.simulator.get("/_sim/ledger", **query))["lines"]
        return lines

    async def until_no_socket(self) -> None:
        """Wait until the simulator has no open socket."""
        while (await self.simulator.get("/_sim/health")).get("sockets"):  # noqa: ASYNC110  the same
            await asyncio.sleep(0.01)

    async def until(self, kind: str, holds: Callable[[list[dict[str, Any]]], object]) -> list[dict[str, Any]]:
        """The lines of a kind as soon as they are so; the test's timeout is the limit."""
        while not holds(lines := await self.lines(kind)):  # noqa: ASYNC110  another process writes them
            await asyncio.sleep(0.01)
        return lines


async def all_of(voice: TextToSpeech, text: str) -> bytes:
    """What is heard; not that another voice says it."""
    return b"".join([chunk async for chunk in voice.speak(text) if isinstance(chunk, bytes)])


def words_in(mulaw: bytes) -> list[str]:
    return [utterance.text for utterance in decode_all(mulaw)]
