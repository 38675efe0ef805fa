"""A voice by ElevenLabs' streaming HTTP endpoint.

Requests `ulaw_8000`, the telephone's own format, and passes it on unchanged. Protocol: ElevenLabs API reference,
"Stream speech".
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from voicecall.audio.formats import MULAW_8K
from voicecall.errors import ServiceError
from voicecall.manifests.elevenlabs import ElevenLabs
from voicecall.speech.tts.http_audio import SynthesisRequest, audio_of
from voicecall.speech.tts.patience import SynthesisTimeouts, longest_s

__all__ = ["Options", "Voice", "build"]

_SERVICE: Final = "elevenlabs-tts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    api_key: str | None
    base_url: str = "https://api.elevenlabs.io"
    voice_id: str = "pMsXgVXv3BLzUgSXRplE"
    model_id: str = "eleven_multilingual_v2"
    stability: float = 0.5
    similarity_boost: float = 0.75
    style: float = 0.0
    use_speaker_boost: bool = True
    speed: float = 1.0
    seed: int | None = None
    apply_text_normalization: str | None = None
    language_code: str | None = None
    timeouts: SynthesisTimeouts = field(default_factory=SynthesisTimeouts)


class Voice:
    """TextToSpeech. The HTTP session is the node's."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._session = session

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """Yield mu-law as it arrives. Raises ServiceError."""
        if not text.strip():
            raise ServiceError(_SERVICE, "cannot speak nothing", retryable=False)
        async with aclosing(audio_of(self._session, self._request(text), self._options.timeouts)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """Nothing is open between two sentences."""

    def _request(self, text: str) -> SynthesisRequest:
        options = self._options
        optional = {
            "seed": options.seed,
            "apply_text_normalization": options.apply_text_normalization,
            "language_code": options.language_code,
        }
        body: dict[str, Any] = {
            "text": text,
            "model_id": options.model_id,
            "voice_settings": {
                "stability": options.stability,
                "similarity_boost": options.similarity_boost,
                "style": options.style,
                "use_speaker_boost": options.use_speaker_boost,
                "speed": options.speed,
            },
        } | {key: value for key, value in optional.items() if value is not None}
        voice = quote(options.voice_id, safe="")
        return SynthesisRequest(
            service=_SERVICE,
            url=f"{options.base_url.rstrip('/')}/v1/text-to-speech/{voice}/stream?output_format=ulaw_8000",
            headers={"xi-api-key": options.api_key} if options.api_key else {},
            body=body,
            audio=MULAW_8K,
            longest_s=longest_s(text),
        )


def build(block: ElevenLabs, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession) -> Voice:
    """The voice as configured under `tts.elevenlabs`."""
    options = Options(
        api_key=block.api_key,
        base_url=block.base_url,
        voice_id=block.voice_id,
        model_id=block.model_id,
        stability=block.voice_settings.stability,
        similarity_boost=block.voice_settings.similarity_boost,
        style=block.voice_settings.style,
        use_speaker_boost=block.voice_settings.use_speaker_boost,
        speed=block.voice_settings.speed,
        seed=block.seed,
        apply_text_normalization=block.apply_text_normalization,
        language_code=block.language_code,
        timeouts=timeouts,
    )
    return Voice(options, session)
