"""ElevenLabs: speech synthesis, and speech recognition by Scribe."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from voicecall.manifests.fields import BaseUrl, Block, Secret, Share, Text, whole
from voicecall.manifests.manifest import SttManifest, TtsManifest

__all__ = ["ELEVENLABS_URL", "STT", "TTS", "ElevenLabs", "ElevenLabsRecognition", "VoiceSettings"]

ELEVENLABS_URL: Final = "https://api.elevenlabs.io"


class VoiceSettings(Block):
    stability: Share = 0.5
    """How stable the voice is."""
    similarity_boost: Share = 0.75
    """How close it is to the original."""
    style: Share = 0.0
    """Exaggeration of the style."""
    use_speaker_boost: bool = True
    """Boost the similarity to the speaker."""
    speed: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    """How fast it speaks."""


class ElevenLabs(Block):
    api_key: Secret = None
    """Key of ElevenLabs."""
    base_url: BaseUrl = ELEVENLABS_URL
    """Its address."""
    transport: Literal["http", "websocket"] = "http"
    """How speech is requested: a request for each sentence, or a WebSocket that is opened while the phone rings."""
    voice_id: Text = "pMsXgVXv3BLzUgSXRplE"
    """The voice."""
    model_id: Text = "eleven_multilingual_v2"
    """The model."""
    seed: Annotated[int, Field(ge=0, le=4_294_967_295), BeforeValidator(whole)] | None = None
    """With the same seed the same text is spoken in the same way, as far as the service can."""
    apply_text_normalization: Literal["auto", "on", "off"] | None = None
    """Whether numbers and the like are spelled out."""
    language_code: Text | None = None
    """Language, as in `en`."""
    voice_settings: VoiceSettings = VoiceSettings()


class ElevenLabsRecognition(Block):
    """ElevenLabs' Scribe, realtime."""

    api_key: Secret = None
    """Key of ElevenLabs."""
    base_url: BaseUrl = ELEVENLABS_URL
    """Its address."""
    model: Text = "scribe_v2_realtime"
    """The model."""
    language: Text | None = None
    """Language of the callers, as in `en`; without it the model finds out."""
    silence_duration_ms: Annotated[int, Field(ge=300, le=3000), BeforeValidator(whole)] = 500
    """Silence that ends an utterance of the caller, in milliseconds."""
    vad_threshold: Annotated[float, Field(ge=0.1, le=0.9)] = 0.4
    """Threshold of speech detection."""


TTS: Final = TtsManifest(
    name="elevenlabs",
    block=ElevenLabs,
    default_url=ELEVENLABS_URL,
    variables=(
        (("tts", "elevenlabs", "apiKey"), "ELEVENLABS_API_KEY"),
        (("tts", "elevenlabs", "apiKey"), "XI_API_KEY"),
    ),
    spellings={"voice": "voiceId", "model": "modelId"},
)

STT: Final = SttManifest(
    name="elevenlabs",
    adapter="elevenlabs",
    block=ElevenLabsRecognition,
    default_url=ELEVENLABS_URL,
    variables=(
        (("streaming", "providers", "elevenlabs", "apiKey"), "ELEVENLABS_API_KEY"),
        (("streaming", "providers", "elevenlabs", "apiKey"), "XI_API_KEY"),
    ),
    older_keys={
        ("streaming", "providers", "elevenlabs", "modelId"): ("streaming", "providers", "elevenlabs", "model"),
        ("streaming", "providers", "elevenlabs", "languageCode"): ("streaming", "providers", "elevenlabs", "language"),
    },
)
