"""Deepgram: speech recognition by Nova and Flux, speech synthesis by the voices of Aura."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from voicecall.manifests.fields import BaseUrl, Block, Positive, Secret, Text, Texts, whole
from voicecall.manifests.manifest import SttManifest, TtsManifest

__all__ = ["DEEPGRAM_URL", "STT", "TTS", "DeepgramRecognition", "DeepgramVoice"]

DEEPGRAM_URL: Final = "https://api.deepgram.com/v1"


class DeepgramRecognition(Block):
    """Deepgram's Flux, which detects the end of a turn by what is said, and Nova."""

    api_key: Secret = None
    """Key of Deepgram."""
    base_url: BaseUrl = DEEPGRAM_URL
    """Its address."""
    model: Text | None = None
    """The model; without it `flux-general-en`, `flux-general-multi` or `nova-3`, the first that speaks `language`."""
    language: Text | None = None
    """Language of the callers, as in `en`; without it English."""
    keyterms: Texts = ()
    """Names and terms that callers are likely to say."""
    silence_duration_ms: Positive = 300
    """Nova: silence that ends an utterance of the caller, in milliseconds."""
    eot_threshold: Annotated[float, Field(ge=0.5, le=1)] = 0.7
    """Flux: how certain the end of a turn must be."""
    eager_eot_threshold: Annotated[float, Field(ge=0.3, le=0.9)] = 0.5
    """Flux: how certain a likely end of a turn must be; used only where the agent may start before the turn ends."""
    eot_timeout_ms: Annotated[int, Field(ge=500, le=60_000), BeforeValidator(whole)] = 5000
    """Flux: silence that ends a turn in any case, in milliseconds."""


class DeepgramVoice(Block):
    """Deepgram's voices, Aura."""

    api_key: Secret = None
    """Key of Deepgram."""
    base_url: BaseUrl = DEEPGRAM_URL
    """Its address."""
    model: Text = "aura-2-thalia-en"
    """The voice and its language, which are one name there."""


STT: Final = SttManifest(
    name="deepgram",
    adapter="deepgram",
    block=DeepgramRecognition,
    default_url=DEEPGRAM_URL,
    variables=((("streaming", "providers", "deepgram", "apiKey"), "DEEPGRAM_API_KEY"),),
)

TTS: Final = TtsManifest(
    name="deepgram",
    block=DeepgramVoice,
    default_url=DEEPGRAM_URL,
    variables=((("tts", "deepgram", "apiKey"), "DEEPGRAM_API_KEY"),),
    spellings={"voice": "model"},
)
