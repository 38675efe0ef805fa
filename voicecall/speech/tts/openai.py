"""A voice by OpenAI's `/audio/speech`, or any service that offers the same API.

Requests raw 24 kHz PCM, which is converted as it arrives, so that playing begins before synthesis ends; a service that
sends a WAV file or mu-law instead is understood too. Protocol: OpenAI API reference, "Create speech".
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from voicecall.audio.formats import AudioFormat, Encoding
from voicecall.errors import ServiceError
from voicecall.manifests.openai import OpenAI
from voicecall.speech.retiring import warn_if_retiring
from voicecall.speech.tts.http_audio import SynthesisRequest, audio_of
from voicecall.speech.tts.patience import SynthesisTimeouts, longest_s

__all__ = ["Options", "Voice", "build"]

_SERVICE: Final = "openai-tts"
_PCM_24K: Final = AudioFormat(encoding=Encoding.PCM_S16, rate=24_000)
_LONGEST_TEXT: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`instructions`: how to speak; sent only to models that accept them."""

    api_key: str | None
    base_url: str = "https://api.openai.com/v1"
    model: str = "gpt-4o-mini-tts"
    voice: str = "alloy"
    speed: float = 1.0
    instructions: str | None = None
    timeouts: SynthesisTimeouts = field(default_factory=SynthesisTimeouts)


class Voice:
    """TextToSpeech. The HTTP session is the node's."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._session = session
        warn_if_retiring(options.model)

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """Yield mu-law as it arrives. Raises ServiceError, for text over 4,096 characters before sending anything."""
        if not text.strip() or len(text) > _LONGEST_TEXT:
            raise ServiceError(_SERVICE, f"cannot speak {len(text)} characters", retryable=False)
        async with aclosing(audio_of(self._session, self._request(text), self._options.timeouts)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """Nothing is open between two sentences."""

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
            service=_SERVICE,
            url=f"{options.base_url.rstrip('/')}/audio/speech",
            headers={"Authorization": f"Bearer {options.api_key}"} if options.api_key else {},
            body=body,
            audio=_PCM_24K,
            longest_s=longest_s(text),
        )


def build(block: OpenAI, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession) -> Voice:
    """The voice as configured under `tts.openai`."""
    options = Options(
        api_key=block.api_key,
        base_url=block.base_url,
        model=block.model,
        voice=block.voice,
        speed=block.speed,
        instructions=block.instructions,
        timeouts=timeouts,
    )
    return Voice(options, session)
