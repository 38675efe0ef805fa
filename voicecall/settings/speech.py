"""How calls hear and speak: media streaming with its recogniser, and the voices (behaviour 1.1, 8).

Workers build speech adapters from these blocks; the ingress reads the limits of its media sockets here.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from voicecall.settings.fields import Block, HttpUrl, PathText, Secret, Text

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
_Positive = Annotated[int, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, le=1)]
_TimeoutMs = Annotated[int, Field(ge=1000, le=120_000)]


class Streaming(Block):
    """Media streams and the ears on them. Times in milliseconds."""

    enabled: bool = False
    stt_provider: Literal["openai-realtime"] = "openai-realtime"
    openai_api_key: Secret = None
    base_url: HttpUrl = OPENAI_URL
    stt_model: Text = "gpt-4o-transcribe"
    silence_duration_ms: _Positive = 800
    vad_threshold: _Share = 0.5
    stream_path: PathText = "/voice/stream"
    pre_start_timeout_ms: _Positive = 5000
    max_pending_connections: _Positive = 32
    max_pending_connections_per_ip: _Positive = 4
    max_connections: _Positive = 128


class Stt(Block):
    """Accepted for compatibility; nothing reads it."""

    provider: Literal["openai"] = "openai"
    model: Text = "whisper-1"


class OpenAI(Block):
    """OpenAI's voices, or any service that speaks its `/audio/speech`."""

    api_key: Secret = None
    base_url: HttpUrl = OPENAI_URL
    model: Text = "gpt-4o-mini-tts"
    voice: Text = "alloy"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    instructions: str | None = None


class VoiceSettings(Block):
    stability: _Share = 0.5
    similarity_boost: _Share = 0.75
    style: _Share = 0.0
    use_speaker_boost: bool = True
    speed: Annotated[float, Field(ge=0.5, le=2)] = 1.0


class ElevenLabs(Block):
    api_key: Secret = None
    base_url: HttpUrl = "https://api.elevenlabs.io"
    voice_id: Text = "pMsXgVXv3BLzUgSXRplE"
    model_id: Text = "eleven_multilingual_v2"
    seed: Annotated[int, Field(ge=0, le=4_294_967_295)] | None = None
    apply_text_normalization: Literal["auto", "on", "off"] | None = None
    language_code: Text | None = None
    voice_settings: VoiceSettings = VoiceSettings()


class Edge(Block):
    """Accepted and ignored: this voice cannot speak on a telephone line (behaviour 8.2)."""

    enabled: bool = True
    voice: str | None = None
    lang: str | None = None
    output_format: str | None = None
    pitch: str | None = None
    rate: str | None = None
    volume: str | None = None
    save_subtitles: bool = False
    proxy: str | None = None
    timeout_ms: _TimeoutMs | None = None


class ModelOverrides(Block):
    """Accepted for compatibility; nothing reads it."""

    enabled: bool = True
    allow_text: bool = True
    allow_provider: bool = True
    allow_voice: bool = True
    allow_model_id: bool = True
    allow_voice_settings: bool = True
    allow_normalization: bool = True
    allow_seed: bool = True


class Tts(Block):
    """The voices, after the host's and the plugin's blocks were merged and both shapes folded into one."""

    auto: Literal["off", "always", "inbound", "tagged"] | None = None
    enabled: bool | None = None
    mode: Literal["final", "all"] | None = None
    provider: Literal["openai", "elevenlabs", "edge", "microsoft"] | None = None
    summary_model: str | None = None
    model_overrides: ModelOverrides = ModelOverrides()
    openai: OpenAI = OpenAI()
    elevenlabs: ElevenLabs = ElevenLabs()
    edge: Edge = Edge()
    prefs_path: str | None = None
    max_text_length: Annotated[int, Field(ge=1)] = 4096
    timeout_ms: _TimeoutMs = 30_000

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
