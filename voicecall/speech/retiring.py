"""Models with an announced end, so that an operator reads of it in our log before callers hear of it.

Adapters call `warn` once when they are built. Dates are OpenAI's announcements; `GET /v1/models` has `shutdown_date`.
"""

import logging
from typing import Final

__all__ = ["RETIRING", "warn"]

_log = logging.getLogger(__name__)

RETIRING: Final[dict[str, tuple[str, str]]] = {
    "gpt-4o-mini-tts": ("2027-01-06", "another voice: no OpenAI model will serve /audio/speech"),
    "tts-1": ("2027-01-06", "another voice: no OpenAI model will serve /audio/speech"),
    "tts-1-hd": ("2027-01-06", "another voice: no OpenAI model will serve /audio/speech"),
    "whisper-1": ("2027-02-26", "gpt-transcribe"),
    "gpt-4o-transcribe": ("2027-02-26", "gpt-live-transcribe or gpt-transcribe"),
    "gpt-4o-mini-transcribe": ("2027-02-26", "gpt-live-transcribe or gpt-transcribe"),
    "gpt-4o-transcribe-diarize": ("2027-02-26", "gpt-live-transcribe or gpt-transcribe"),
}
"""Model: the day it stops (ISO), and what to use after."""


def warn(model: str) -> None:
    """Log a warning if `model` has an announced end."""
    if model in RETIRING:
        day, instead = RETIRING[model]
        _log.warning("a configured model is being retired", extra={"model": model, "stops": day, "instead": instead})
