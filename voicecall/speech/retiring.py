"""Models whose end their service has announced, for `voicecall doctor`. The dates come from the services' manifests."""

from typing import Final

from voicecall.manifests import STT, TTS
from voicecall.settings import Settings, value_at

__all__ = ["RETIRING", "retiring_models"]

RETIRING: Final[dict[str, tuple[str, str]]] = {
    **{model: end for service in TTS.values() for model, end in service.retiring.items()},
    **{model: end for service in STT.values() for model, end in service.retiring.items()},
}
"""Model: the day it stops (ISO 8601), and its replacement."""


def retiring_models(settings: Settings) -> dict[str, str]:
    """The voices' models in RETIRING by the key that names them; at another address than its service's none ends."""
    paths = [TTS[voice] for voice in settings.tts.voices]
    named = {
        ".".join(manifest.model): value_at(settings, manifest.model)
        for manifest in paths
        if manifest.model is not None and value_at(settings, manifest.base_url) == manifest.default_url
    }
    return {key: str(model) for key, model in named.items() if model in RETIRING}
