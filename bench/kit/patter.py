"""The peer: Patter (`getpatter` 0.7.0 on PyPI, MIT), its own server with its own adapters, in its own environment.

`peers.py` starts it there. With `--services URL` it speaks Deepgram, OpenAI and ElevenLabs to `services.py`: the same
work as ours. Without, speech and agent are stubs in its own process, its best case. Its media
socket is `/ws/stream/{sid}`.
"""

import argparse
import asyncio
import logging
import os
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import uvicorn
from getpatter import server, stream_handler
from getpatter.local_config import LocalConfig
from getpatter.models import Agent
from getpatter.providers import deepgram_stt
from getpatter.providers.base import STTProvider, Transcript, TTSProvider
from getpatter.providers.deepgram_stt import DeepgramSTT
from getpatter.providers.elevenlabs_tts import ElevenLabsTTS
from getpatter.services.llm_loop import OpenAILLMProvider

__all__: list[str] = []

_SPEECH_S: Final = 3.0
_REPLY: Final = ("Sure", ", I ", "can ", "help ", "you ", "with ", "that ", "booking ", "for ", "next ", "Tuesday", ".")
_TONE: Final = bytes(0x9B if (number // 10) % 2 else 0x1B for number in range(800))
_LOUD: Final = 20_000


class StubSTT(STTProvider):
    """Finds the markers in the 16 kHz samples that Patter gives its recognition."""

    def __init__(self) -> None:
        self._found: asyncio.Queue[Transcript] = asyncio.Queue()
        self._number = self._last = 0

    async def connect(self) -> None:
        pass

    async def send_audio(self, audio_chunk: bytes) -> None:
        middle = len(audio_chunk) // 4 * 2
        sample = int.from_bytes(audio_chunk[middle : middle + 2], "little", signed=True)
        edge = (sample > _LOUD) - (sample < -_LOUD)
        if edge < 0 and edge != self._last:
            self._found.put_nowait(Transcript("excuse me please could you", False))
        elif edge > 0 and edge != self._last:
            self._number += 1
            text = f"please book number {self._number} for me"
            self._found.put_nowait(Transcript(text, True, 0.99, speech_final=True))
        self._last = edge

    async def receive_transcripts(self) -> AsyncIterator[Transcript]:
        while True:
            yield await self._found.get()

    async def close(self) -> None:
        pass


class StubTTS(TTSProvider):
    output_format = "ulaw_8000"  # its fastest way: nothing is resampled

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        del text
        for _ in range(round(_SPEECH_S * 8000) // len(_TONE)):
            yield _TONE

    async def close(self) -> None:
        pass


class StubLLM:
    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[dict[str, str]]:
        for text in _REPLY:
            yield {"type": "text", "content": text}
        yield {"type": "done"}


def _with_services(url: str) -> tuple[Any, Any, Any]:
    """Its adapters, at this address. Each call gets its own: an agent's own end with its first call."""
    deepgram_stt.DEEPGRAM_WS_URL = url.replace("http", "ws") + "/v1/listen"
    plain = ElevenLabsTTS.__init__

    def at_url(self: Any, *args: Any, **options: Any) -> None:
        plain(self, *args, **options)
        self._client = httpx.AsyncClient(base_url=url + "/v1", headers={"xi-api-key": "k"}, timeout=30.0)

    ElevenLabsTTS.__init__ = at_url
    os.environ["OPENAI_BASE_URL"] = url + "/v1"
    stream_handler._create_stt_from_config = lambda *_, **__: DeepgramSTT("k", encoding="linear16", sample_rate=16000)  # noqa: SLF001  there is no public way to give each call its own
    stream_handler._create_tts_from_config = lambda *_, **__: ElevenLabsTTS.for_twilio("k")  # noqa: SLF001  as above
    return DeepgramSTT.for_twilio("k"), ElevenLabsTTS.for_twilio("k"), OpenAILLMProvider("k", "gpt-4o-mini")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--services", default="")
    asked = words.parse_args()
    logging.basicConfig(level="ERROR")
    server.MAX_WS_PER_IP = 1_000_000  # all load comes from one address
    stt, tts, llm = _with_services(asked.services) if asked.services else (StubSTT(), StubTTS(), StubLLM())
    agent = Agent(
        system_prompt="You are a helpful phone agent.",
        voice="x",
        model="stub",
        provider="pipeline",
        stt=stt,
        tts=tts,
        llm=llm,
    )
    local = LocalConfig(
        twilio_sid="AC" + "0" * 32,
        twilio_token="t",
        phone_number="+15550001234",
        webhook_url="localhost",
        require_signature=False,
    )
    app = server.EmbeddedServer(local, agent, dashboard=False)._create_app()  # noqa: SLF001  its own way to start it binds a public tunnel
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="warning", loop="uvloop", access_log=False)


if __name__ == "__main__":
    main()
