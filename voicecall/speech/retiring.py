"""Models whose end their service has announced, so that the log warns an operator before calls fail.

`warn_if_retiring` is called when adapters are built; `voicecall doctor` reads the table. The dates come from the
services' manifests.
"""

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Final

from voicecall.manifests import STT, TTS
from voicecall.settings import Settings, value_at

__all__ = ["RETIRING", "retiring_models", "warn_if_retiring"]

_log = logging.getLogger(__name__)

_WARNED: Final = timedelta(days=60)

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


def warn_if_retiring(model: str, today: date | None = None) -> None:
    """Log that `model` has an announced end: as a warning in the last 60 days, before that for information."""
    if model in RETIRING:
        day, instead = RETIRING[model]
        left = date.fromisoformat(day) - (today or datetime.now(UTC).date())
        level = logging.WARNING if left <= _WARNED else logging.INFO
        _log.log(level, "configured model is being retired", extra={"model": model, "stops": day, "instead": instead})
