"""A speech server of the operator's own, or of another vendor, with OpenAI's `/audio/speech`."""

from typing import Annotated, Final

from pydantic import Field

from voicecall.manifests.fields import BaseUrl, Block, Secret, Text
from voicecall.manifests.manifest import TtsManifest

__all__ = ["TTS", "CompatibleVoice"]


class CompatibleVoice(Block):
    """Any service with OpenAI's `/audio/speech`, beside OpenAI itself."""

    base_url: BaseUrl | None = None
    """Its address, as in http://127.0.0.1:8880/v1; without it this voice is not used."""
    api_key: Secret = None
    """Its key, where it needs one."""
    model: Text = "tts-1"
    """Its model."""
    voice: Text = "alloy"
    """Its voice."""
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    """How fast it speaks."""


TTS: Final = TtsManifest(name="compatible", other_name="openai-compatible", block=CompatibleVoice)
