"""The speech server of this system itself (`voicecall speech-server`): a voice and recognition without keys.

Used only where its name is written; then it needs nothing else, and is looked for on loopback.
"""

from typing import Annotated, Final

from pydantic import Field

from voicecall.manifests.fields import BaseUrl, Block, Positive, Secret, Share, Text
from voicecall.manifests.manifest import SttManifest, TtsManifest

__all__ = ["OFFLINE_URL", "STT", "TTS", "OfflineRecognition", "OfflineVoice"]

OFFLINE_URL: Final = "http://127.0.0.1:3338/v1"


class OfflineRecognition(Block):
    """The speech server of `voicecall speech-server`: English only."""

    api_key: Secret = None
    """Its token (`VOICECALL_SPEECH_TOKEN`), if it has one."""
    base_url: BaseUrl | None = None
    """Its address; http://127.0.0.1:3338/v1 when the service is named and this is left out."""
    model: Text = "tiny.en"
    """Its model; there is one."""
    language: Text | None = None
    """Language of the callers: `en`, or nothing."""
    silence_duration_ms: Positive = 600
    """Silence that ends an utterance of the caller, in milliseconds."""
    vad_threshold: Share = 0.5
    """Threshold of speech detection, from 0 to 1."""


class OfflineVoice(Block):
    """The speech server of `voicecall speech-server`: English only."""

    base_url: BaseUrl | None = None
    """Its address; http://127.0.0.1:3338/v1 when the service is named and this is left out."""
    api_key: Secret = None
    """Its token (`VOICECALL_SPEECH_TOKEN`), if it has one."""
    voice: Text = "heart"
    """Its voice: `heart`, or `low`, which is the same and deeper."""
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    """How fast it speaks."""


STT: Final = SttManifest(
    name="offline", adapter="offline", block=OfflineRecognition, example_url=OFFLINE_URL, own_url=OFFLINE_URL
)

TTS: Final = TtsManifest(name="offline", block=OfflineVoice, own_url=OFFLINE_URL)
