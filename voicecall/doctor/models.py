"""Models in use whose end is announced: callers must not be the first to hear of it (carriers 7)."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.settings import Settings
from voicecall.speech.retiring import RETIRING

__all__ = ["judge", "used"]

_SOON_DAYS: Final = 90


def used(settings: Settings) -> dict[str, str]:
    """Where a model stands in the configuration -> its name; only what calls would really use."""
    models = {"responseModel": settings.response_model.rpartition("/")[2]}
    if settings.streaming.enabled:
        models["streaming.sttModel"] = settings.streaming.stt_model
        if "openai" in settings.tts.voices:
            models["tts.openai.model"] = settings.tts.openai.model
    return models


def judge(settings: Settings, today: date) -> Iterator[Finding]:
    ending = {key: model for key, model in used(settings).items() if model in RETIRING}
    for key, model in ending.items():
        day, instead = RETIRING[model]
        left = (date.fromisoformat(day) - today).days
        if left <= 0:
            yield fail(f"models.{key}", f"{model} stopped on {day}", f"use {instead}")
        else:
            soon = "soon: " if left <= _SOON_DAYS else ""
            yield warn(f"models.{key}", f"{soon}{model} stops on {day}, in {left} days", f"use {instead}")
    if not ending:
        yield ok("models", "no model in use has an announced end")
