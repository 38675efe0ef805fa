"""Deepgram: speech synthesis by its Aura voices."""

from typing import Final

from voicecall.manifests.fields import BaseUrl, Block, Secret, Text
from voicecall.manifests.manifest import TtsManifest

__all__ = ["DEEPGRAM_URL", "TTS", "DeepgramVoice"]

DEEPGRAM_URL: Final = "https://api.deepgram.com/v1"


class DeepgramVoice(Block):
    api_key: Secret = None
    """Key of Deepgram."""
    base_url: BaseUrl = DEEPGRAM_URL
    """Its address."""
    model: Text = "aura-2-thalia-en"
    """The voice and its language, which are one name there."""


TTS: Final = TtsManifest(
    name="deepgram",
    block=DeepgramVoice,
    default_url=DEEPGRAM_URL,
    variables=((("tts", "deepgram", "apiKey"), "DEEPGRAM_API_KEY"),),
    spellings={"voice": "model"},
)
