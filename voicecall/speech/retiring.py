"""Models whose end their service has announced, so that the log warns an operator before calls fail.

Adapters call `warn_if_retiring` once when they are built; `voicecall doctor` reads the table. The dates come from the
services' manifests.
"""

import logging
from typing import Final

from voicecall.manifests import STT, TTS

__all__ = ["RETIRING", "warn_if_retiring"]

_log = logging.getLogger(__name__)

RETIRING: Final[dict[str, tuple[str, str]]] = {
    **{model: end for service in TTS.values() for model, end in service.retiring.items()},
    **{model: end for service in STT.values() for model, end in service.retiring.items()},
}
"""Model: the day it stops (ISO 8601), and its replacement."""


def warn_if_retiring(model: str) -> None:
    """Log a warning if `model` has an announced end."""
    if model in RETIRING:
        day, instead = RETIRING[model]
        _log.warning("configured model is being retired", extra={"model": model, "stops": day, "instead": instead})
