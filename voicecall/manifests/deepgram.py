"""Deepgram: speech recognition by Nova and Flux."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from voicecall.manifests.fields import BaseUrl, Block, Positive, Secret, Text, Texts, whole
from voicecall.manifests.manifest import SttManifest

__all__ = ["DEEPGRAM_URL", "STT", "DeepgramRecognition"]

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


STT: Final = SttManifest(
    name="deepgram",
    adapter="deepgram",
    block=DeepgramRecognition,
    default_url=DEEPGRAM_URL,
    variables=((("streaming", "providers", "deepgram", "apiKey"), "DEEPGRAM_API_KEY"),),
)
