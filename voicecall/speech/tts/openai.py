"""A voice by OpenAI's `/audio/speech`, or any service that offers the same API; and the choice of OpenAI's two ways.

Requests raw 24 kHz PCM, which is converted as it arrives, so that playing begins before synthesis ends; a service that
sends a WAV file or mu-law instead is understood too. Protocol: OpenAI API reference, "Create speech".

OpenAI itself serves it until 2027-01-06; from then on a model of it that is still configured is replaced by one that
reads aloud through Realtime (`openai_realtime.py`), which is the default.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

import aiohttp

from voicecall.aio import closing
from voicecall.audio.formats import AudioFormat, Encoding
from voicecall.call.events import Failover
from voicecall.manifests.openai import HTTP_MODEL, OPENAI_URL, READ_ALOUD_MODEL, TTS, OpenAI, is_openai
from voicecall.ports import TextToSpeech
from voicecall.speech.tts import openai_realtime
from voicecall.speech.tts.http_audio import HttpVoice, SynthesisRequest
from voicecall.speech.tts.openai_realtime import RealtimeVoice
from voicecall.speech.tts.patience import SynthesisTimeouts, longest_s

__all__ = ["Options", "RetiringVoice", "Voice", "build"]

_log = logging.getLogger(__name__)

_PCM_24K: Final = AudioFormat(encoding=Encoding.PCM_S16, rate=24_000)
_LONGEST_TEXT: Final = 4096
_FASTEST_READING: Final = 1.5
_REALTIME_VOICES: Final = {"fable": "ballad", "nova": "coral", "onyx": "cedar"}
"""Voices of `/audio/speech` that Realtime does not have, and the nearest that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`instructions`: how to speak; sent only to models that accept them. `service`: the name in errors."""

    api_key: str | None
    base_url: str = OPENAI_URL
    model: str = HTTP_MODEL
    voice: str = "alloy"
    speed: float = 1.0
    instructions: str | None = None
    timeouts: SynthesisTimeouts = field(default_factory=SynthesisTimeouts)
    service: str = "openai-tts"


class Voice(HttpVoice):
    """TextToSpeech. The HTTP session is the node's."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        super().__init__(session, service=options.service, longest=_LONGEST_TEXT, timeouts=options.timeouts)
        self._options = options

    def _request(self, text: str) -> SynthesisRequest:
        options = self._options
        body: dict[str, Any] = {
            "model": options.model,
            "input": text,
            "voice": options.voice,
            "response_format": "pcm",
            "speed": options.speed,
        }
        if options.instructions and "gpt-4o-mini-tts" in options.model:
            body["instructions"] = options.instructions
        return SynthesisRequest(
            service=options.service,
            url=f"{options.base_url.rstrip('/')}/audio/speech",
            headers={"Authorization": f"Bearer {options.api_key}"} if options.api_key else {},
            body=body,
            audio=_PCM_24K,
            longest_s=longest_s(text),
        )


class RetiringVoice:
    """TextToSpeech: `now` before the day on which `model` stops, `then` from that day on."""

    def __init__(
        self, now: TextToSpeech, then: TextToSpeech, model: str, *, today: Callable[[], date] | None = None
    ) -> None:
        self._now = now
        self._then = then
        self._model = model
        self._today = today or (lambda: datetime.now(UTC).date())

    def warm(self) -> None:
        self._voice.warm()

    async def speak(self, text: str) -> AsyncGenerator[bytes | Failover]:
        """As the voice of this day."""
        async with closing(self._voice.speak(text)) as audio:
            async for chunk in audio:
                yield chunk

    async def close(self) -> None:
        await self._now.close()
        await self._then.close()

    @property
    def _voice(self) -> TextToSpeech:
        return self._now if TTS.in_force(self._model, self._today()) == self._model else self._then


def build(block: OpenAI, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession) -> TextToSpeech:
    """The voice as configured under `tts.openai`."""
    is_own = is_openai(block.base_url)
    model = block.model or (READ_ALOUD_MODEL if is_own else HTTP_MODEL)
    if "realtime" in model:
        return _read_aloud(block, model, timeouts, session)
    options = Options(
        api_key=block.api_key,
        base_url=block.base_url,
        model=model,
        voice=block.voice,
        speed=block.speed,
        instructions=block.instructions,
        timeouts=timeouts,
    )
    voice = Voice(options, session)
    if not is_own or model not in TTS.retiring:
        return voice
    return RetiringVoice(voice, _read_aloud(block, TTS.replaced[model], timeouts, session), model)


def _read_aloud(
    block: OpenAI, model: str, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession
) -> RealtimeVoice:
    voice = _REALTIME_VOICES.get(block.voice, block.voice)
    if voice != block.voice:
        _log.info("voice replaced: Realtime does not have it", extra={"voice": block.voice, "used": voice})
    options = openai_realtime.Options(
        api_key=block.api_key,
        base_url=block.base_url,
        model=model,
        voice=voice,
        speed=min(block.speed, _FASTEST_READING),
        instructions=block.instructions,
        timeouts=timeouts,
    )
    return RealtimeVoice(options, session)
