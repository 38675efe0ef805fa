"""What a voice of ElevenLabs is: its key, address, voice and settings, for both of its protocols."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from voicecall.manifests.elevenlabs import ELEVENLABS_URL, ElevenLabs
from voicecall.speech.tts.patience import SynthesisTimeouts

__all__ = ["LONGEST_TEXT", "SERVICE", "Options"]

SERVICE: Final = "elevenlabs-tts"
LONGEST_TEXT: Final = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    api_key: str | None
    base_url: str = ELEVENLABS_URL
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

    @classmethod
    def of(cls, block: ElevenLabs, timeouts: SynthesisTimeouts) -> "Options":
        """As configured under `tts.elevenlabs`."""
        return cls(
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

    @property
    def voice_settings(self) -> Mapping[str, Any]:
        return {
            "stability": self.stability,
            "similarity_boost": self.similarity_boost,
            "style": self.style,
            "use_speaker_boost": self.use_speaker_boost,
            "speed": self.speed,
        }

    @property
    def optional(self) -> Mapping[str, Any]:
        """The keys that are sent only when they are set."""
        values = {
            "seed": self.seed,
            "apply_text_normalization": self.apply_text_normalization,
            "language_code": self.language_code,
        }
        return {key: value for key, value in values.items() if value is not None}
