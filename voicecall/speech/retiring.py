"""Models with an announced end, so that an operator reads of it in our log before callers hear of it.

Adapters call `warn` once when they are built. The dates stand in the services' manifests.
"""

import logging
from typing import Final

from voicecall.manifests import STT, TTS

__all__ = ["RETIRING", "warn"]

_log = logging.getLogger(__name__)

RETIRING: Final[dict[str, tuple[str, str]]] = {
    **{model: end for service in TTS.values() for model, end in service.retiring.items()},
    **{model: end for service in STT.values() for model, end in service.retiring.items()},
}
"""Model: the day it stops (ISO), and what to use after."""


def warn(model: str) -> None:
    """Log a warning if `model` has an announced end."""
    if model in RETIRING:
        day, instead = RETIRING[model]
        _log.warning("a configured model is being retired", extra={"model": model, "stops": day, "instead": instead})
