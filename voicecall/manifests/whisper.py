"""Any server with OpenAI's `/audio/transcriptions`, as people host it for Whisper models."""

from typing import Final

from voicecall.manifests.fields import BaseUrl, Block, Positive, Secret, Share, Text
from voicecall.manifests.manifest import SttManifest

__all__ = ["STT", "WhisperRecognition"]


class WhisperRecognition(Block):
    """A server of the operator's own with OpenAI's `/audio/transcriptions`."""

    api_key: Secret = None
    """Its key, if it needs one."""
    base_url: BaseUrl | None = None
    """Its address, up to `/v1`."""
    model: Text = "whisper-1"
    """Its model, by the server's own name."""
    language: Text | None = None
    """Language of the callers, as in `en`; without it the model finds out."""
    prompt: Text | None = None
    """Words that the model is likely to meet, as names."""
    silence_duration_ms: Positive = 800
    """Silence that ends an utterance of the caller, in milliseconds; our own detector finds it."""
    vad_threshold: Share = 0.5
    """Threshold of our detector, from 0 to 1."""


STT: Final = SttManifest(
    name="compatible",
    adapter="whisper",
    block=WhisperRecognition,
    example_url="http://127.0.0.1:8000/v1",
    older_names=("openai-compatible", "whisper"),
)
