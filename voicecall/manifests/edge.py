"""Microsoft Edge's voices: their keys are accepted for compatibility; they cannot speak on a telephone line."""

from typing import Final

from voicecall.manifests.fields import Block, TimeoutMs
from voicecall.manifests.manifest import TtsManifest

__all__ = ["TTS", "Edge"]


class Edge(Block):
    """Accepted and ignored: this voice cannot speak on a telephone line."""

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


TTS: Final = TtsManifest(name="edge", other_name="microsoft", block=Edge, speaks=False)
