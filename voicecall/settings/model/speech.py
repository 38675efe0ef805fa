"""How calls hear and speak: media streaming with its recogniser, and the voices (behaviour 1.1, 8).

Workers build speech adapters from these blocks; the ingress reads the limits of its media sockets here.
"""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from voicecall.manifests.fields import Block, HttpUrl, PathText, Positive, Secret, Text, TimeoutMs, whole

__all__ = [
    "OPENAI_URL",
    "Edge",
    "ElevenLabs",
    "ModelOverrides",
    "OpenAI",
    "Streaming",
    "Stt",
    "Tts",
    "Voice",
    "VoiceSettings",
]

OPENAI_URL: Final = "https://api.openai.com/v1"

Voice = Literal["openai", "elevenlabs"]
_Share = Annotated[float, Field(ge=0, le=1)]


class Streaming(Block):
    """Media streams and the ears on them. Times in milliseconds."""

    enabled: bool = False
    """Carry audio over media sockets; without it the carrier speaks and listens for us."""
    stt_provider: Literal["openai-realtime"] = "openai-realtime"
    """Who listens: OpenAI's Realtime transcription, or a service that speaks it."""
    openai_api_key: Secret = None
    """Key of that service."""
    base_url: HttpUrl = OPENAI_URL
    """Address of that service."""
    stt_model: Text = "gpt-4o-transcribe"
    """Its model; `gpt-live-transcribe` is heard with our own turn detection."""
    silence_duration_ms: Positive = 800
    """Silence that ends what the caller says."""
    vad_threshold: _Share = 0.5
    """How loud speech must be, from 0 to 1."""
    stream_path: PathText = "/voice/stream"
    """Path of the media sockets."""
    pre_start_timeout_ms: Positive = 5000
    """How long a socket may stay without saying which call it carries."""
    max_pending_connections: Positive = 32
    """Sockets that have not said so yet, together."""
    max_pending_connections_per_ip: Positive = 4
    """The same, per sender."""
    max_connections: Positive = 128
    """Media sockets of one door, together."""


class Stt(Block):
    """Accepted for compatibility; nothing reads it."""

    provider: Literal["openai"] = "openai"
    """Accepted, not used."""
    model: Text = "whisper-1"
    """Accepted, not used."""


class OpenAI(Block):
    """OpenAI's voices, or any service that speaks its `/audio/speech`."""

    api_key: Secret = None
    """Key of OpenAI, or of the service at `baseUrl`."""
    base_url: HttpUrl = OPENAI_URL
    """Address of a service that speaks OpenAI's `/audio/speech`."""
    model: Text = "gpt-4o-mini-tts"
    """Its model."""
    voice: Text = "alloy"
    """Its voice; also chooses the carrier's own voice where nothing is streamed."""
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    """How fast it speaks."""
    instructions: str | None = None
    """How it shall speak, for models that take instructions."""


class VoiceSettings(Block):
    stability: _Share = 0.5
    """How even the voice is."""
    similarity_boost: _Share = 0.75
    """How close it keeps to the original."""
    style: _Share = 0.0
    """How much it exaggerates."""
    use_speaker_boost: bool = True
    """Boost the likeness to the speaker."""
    speed: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    """How fast it speaks."""


class ElevenLabs(Block):
    api_key: Secret = None
    """Key of ElevenLabs."""
    base_url: HttpUrl = "https://api.elevenlabs.io"
    """Its address."""
    voice_id: Text = "pMsXgVXv3BLzUgSXRplE"
    """The voice."""
    model_id: Text = "eleven_multilingual_v2"
    """The model."""
    seed: Annotated[int, Field(ge=0, le=4_294_967_295), BeforeValidator(whole)] | None = None
    """The same seed speaks the same text in the same way, if it can."""
    apply_text_normalization: Literal["auto", "on", "off"] | None = None
    """Whether numbers and the like are spelled out."""
    language_code: Text | None = None
    """Language, as in `en`."""
    voice_settings: VoiceSettings = VoiceSettings()


class Edge(Block):
    """Accepted and ignored: this voice cannot speak on a telephone line (behaviour 8.2)."""

    enabled: bool = True
    """Accepted; this voice cannot speak on a telephone line."""
    voice: str | None = None
    """Accepted, not used."""
    lang: str | None = None
    """Accepted, not used."""
    output_format: str | None = None
    """Accepted, not used."""
    pitch: str | None = None
    """Accepted, not used."""
    rate: str | None = None
    """Accepted, not used."""
    volume: str | None = None
    """Accepted, not used."""
    save_subtitles: bool = False
    """Accepted, not used."""
    proxy: str | None = None
    """Accepted, not used."""
    timeout_ms: TimeoutMs | None = None
    """Accepted, not used."""


class ModelOverrides(Block):
    """Accepted for compatibility; nothing reads it."""

    enabled: bool = True
    """Accepted, not used."""
    allow_text: bool = True
    """Accepted, not used."""
    allow_provider: bool = True
    """Accepted, not used."""
    allow_voice: bool = True
    """Accepted, not used."""
    allow_model_id: bool = True
    """Accepted, not used."""
    allow_voice_settings: bool = True
    """Accepted, not used."""
    allow_normalization: bool = True
    """Accepted, not used."""
    allow_seed: bool = True
    """Accepted, not used."""


class Tts(Block):
    """The voices, after the host's and the plugin's blocks were merged and both shapes folded into one."""

    auto: Literal["off", "always", "inbound", "tagged"] | None = None
    """Accepted, not used: on a call everything is spoken."""
    enabled: bool | None = None
    """Accepted, not used: on a call everything is spoken."""
    mode: Literal["final", "all"] | None = None
    """Accepted, not used."""
    provider: Literal["openai", "elevenlabs", "edge", "microsoft"] | None = None
    """Whose voice is tried first; the others with a key are tried after it."""
    summary_model: str | None = None
    """Accepted, not used."""
    model_overrides: ModelOverrides = ModelOverrides()
    openai: OpenAI = OpenAI()
    elevenlabs: ElevenLabs = ElevenLabs()
    edge: Edge = Edge()
    prefs_path: str | None = None
    """Accepted, not used."""
    max_text_length: Annotated[int, Field(ge=1), BeforeValidator(whole)] = 4096
    """Characters of one utterance; a longer one is refused."""
    timeout_ms: TimeoutMs = 30_000
    """How long the synthesis of one utterance may take."""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Voices that can speak on a call, best first: the chosen provider, then the others (behaviour 8.2).

        One without a key is left out, unless its `baseUrl` names a service of the operator's own.
        """
        usable: dict[Voice, bool] = {
            "openai": self.openai.api_key is not None or self.openai.base_url != OPENAI_URL,
            "elevenlabs": self.elevenlabs.api_key is not None or self.elevenlabs.base_url != ElevenLabs().base_url,
        }
        return tuple(sorted((voice for voice, ok in usable.items() if ok), key=lambda voice: voice != self.provider))
