"""OpenAI, or a service with the same APIs: speech recognition, speech synthesis, language models.

Dates of retiring models are those of OpenAI's "Deprecations" page; `GET /v1/models` has `shutdown_date`.
"""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from voicecall.manifests.fields import BaseUrl, Block, Positive, Secret, Share, Text, whole
from voicecall.manifests.manifest import AgentManifest, RealtimeManifest, SttManifest, TtsManifest

__all__ = [
    "AGENT",
    "HTTP_MODEL",
    "OPENAI_URL",
    "READ_ALOUD_MODEL",
    "REALTIME",
    "STT",
    "TTS",
    "OpenAI",
    "OpenAIRealtime",
    "OpenAIRecognition",
    "is_openai",
]

OPENAI_URL: Final = "https://api.openai.com/v1"

READ_ALOUD_MODEL: Final = "gpt-realtime-2.1-mini"
"""The model that reads aloud through Realtime, where no other is configured."""

HTTP_MODEL: Final = "gpt-4o-mini-tts"
"""The model that is named to a server with OpenAI's `/audio/speech`, where no other is configured."""


def is_openai(base_url: str) -> bool:
    """Whether the address is OpenAI's own, and not that of a server with the same API."""
    host = (urlsplit(base_url).hostname or "").removesuffix(".")
    return host == "api.openai.com" or host.endswith(".api.openai.com")


class OpenAIRecognition(Block):
    """OpenAI's Realtime transcription, or a service with the same API."""

    api_key: Secret = None
    """Key of OpenAI, or of the service at `baseUrl`."""
    base_url: BaseUrl = OPENAI_URL
    """Address of a service with OpenAI's Realtime transcription."""
    model: Text = "gpt-transcribe"
    """Its model; `gpt-live-transcribe` needs, and gets, our own turn detection."""
    language: Text | None = None
    """Language of the callers, as in `en`; without it the model finds out."""
    silence_duration_ms: Positive = 800
    """Silence that ends an utterance of the caller, in milliseconds."""
    vad_threshold: Share = 0.5
    """Threshold of speech detection, from 0 to 1."""


class OpenAI(Block):
    """OpenAI's voices through Realtime, or any service with its `/audio/speech`."""

    api_key: Secret = None
    """Key of OpenAI, or of the service at `baseUrl`."""
    base_url: BaseUrl = OPENAI_URL
    """Address of OpenAI, or of a service with its `/audio/speech`."""
    model: Text | None = None
    """Its model; without it `gpt-realtime-2.1-mini`, or at another `baseUrl` than OpenAI's `gpt-4o-mini-tts`."""
    voice: Text = "alloy"
    """Its voice; also chooses the carrier's own voice where nothing is streamed."""
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    """How fast it speaks."""
    instructions: str | None = None
    """Instructions on how to speak, for models that take them."""


class OpenAIRealtime(Block):
    """OpenAI Realtime as a model that hears and speaks, or a service with the same API."""

    api_key: Secret = None
    """Key of OpenAI, or of the service at `baseUrl`."""
    base_url: BaseUrl = OPENAI_URL
    """Address of OpenAI, or of a service with its Realtime API."""
    model: Text = "gpt-realtime-2.1"
    """Its model."""
    voice: Text = "marin"
    """Its voice; what is read aloud on such calls has the same, unless `tts.openai.voice` names another."""
    speed: Annotated[float, Field(ge=0.25, le=1.5)] = 1.0
    """How fast it speaks."""
    language: Text | None = None
    """Language of the callers, as in `en`, for their transcript; without it the model finds out."""
    transcription_model: Text = "gpt-transcribe"
    """The model that writes down what the caller says."""
    silence_duration_ms: Positive = 500
    """Silence that ends an utterance of the caller, in milliseconds."""
    prefix_padding_ms: Positive = 300
    """Audio before the first sound of an utterance that belongs to it, in milliseconds."""
    vad_threshold: Share = 0.5
    """Threshold of speech detection, from 0 to 1."""
    max_session_minutes: Annotated[int, Field(ge=1, le=60), BeforeValidator(whole)] = 60
    """How long the service keeps a connection, in minutes; it is renewed before."""


_INSTEAD: Final = "gpt-transcribe or gpt-live-transcribe"

STT: Final = SttManifest(
    name="openai",
    adapter="openai_realtime",
    block=OpenAIRecognition,
    default_url=OPENAI_URL,
    variables=(
        (("streaming", "providers", "openai", "apiKey"), "OPENAI_API_KEY"),
        (("streaming", "providers", "openai", "baseUrl"), "OPENAI_BASE_URL"),
    ),
    older_names=("openai-realtime",),
    older_keys={
        ("streaming", "openaiApiKey"): ("streaming", "providers", "openai", "apiKey"),
        ("streaming", "baseUrl"): ("streaming", "providers", "openai", "baseUrl"),
        ("streaming", "sttModel"): ("streaming", "providers", "openai", "model"),
        ("streaming", "silenceDurationMs"): ("streaming", "providers", "openai", "silenceDurationMs"),
        ("streaming", "vadThreshold"): ("streaming", "providers", "openai", "vadThreshold"),
    },
    retiring={
        "whisper-1": ("2027-02-26", _INSTEAD),
        "gpt-4o-transcribe": ("2027-02-26", _INSTEAD),
        "gpt-4o-mini-transcribe": ("2027-02-26", _INSTEAD),
        "gpt-4o-transcribe-diarize": ("2027-02-26", _INSTEAD),
    },
    replaced={
        "whisper-1": "gpt-transcribe",
        "gpt-4o-transcribe": "gpt-transcribe",
        "gpt-4o-mini-transcribe": "gpt-transcribe",
        "gpt-4o-transcribe-diarize": "gpt-transcribe",
    },
)

TTS: Final = TtsManifest(
    name="openai",
    block=OpenAI,
    default_url=OPENAI_URL,
    variables=((("tts", "openai", "apiKey"), "OPENAI_API_KEY"), (("tts", "openai", "baseUrl"), "OPENAI_BASE_URL")),
    model=("tts", "openai", "model"),
    older_keys={
        ("tts", "model"): ("tts", "openai", "model"),
        ("tts", "voice"): ("tts", "openai", "voice"),
        ("tts", "instructions"): ("tts", "openai", "instructions"),
    },
    retiring={
        "gpt-4o-mini-tts": ("2027-01-06", "gpt-realtime-2.1-mini, which reads aloud through Realtime"),
        "tts-1": ("2027-01-06", "gpt-realtime-2.1-mini, which reads aloud through Realtime"),
        "tts-1-hd": ("2027-01-06", "gpt-realtime-2.1-mini, which reads aloud through Realtime"),
    },
    replaced=dict.fromkeys(("gpt-4o-mini-tts", "tts-1", "tts-1-hd"), READ_ALOUD_MODEL),
)

REALTIME: Final = RealtimeManifest(
    name="openai",
    adapter="openai",
    block=OpenAIRealtime,
    default_url=OPENAI_URL,
    variables=(
        (("realtime", "providers", "openai", "apiKey"), "OPENAI_API_KEY"),
        (("realtime", "providers", "openai", "baseUrl"), "OPENAI_BASE_URL"),
    ),
    same_voices=OpenAI,
)

AGENT: Final = AgentManifest(
    name="openai", default_url=OPENAI_URL, key_variables=("OPENAI_API_KEY",), url_variable="OPENAI_BASE_URL"
)
