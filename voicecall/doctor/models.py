"""Checks whether the configured models have an announced end."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from voicecall.doctor.finding import Finding, ok, warn
from voicecall.manifests import STT
from voicecall.settings import Settings, value_at
from voicecall.speech.retiring import RETIRING, retiring_models

__all__ = ["judge", "used"]

_SOON_DAYS: Final = 90


def used(settings: Settings) -> dict[str, str]:
    """The models that calls would use, by the key of the configuration that names them."""
    models = {"responseModel": settings.response_model.rpartition("/")[2]}
    models |= {
        f"responseFallbacks.{place}": each.model.rpartition("/")[2]
        for place, each in enumerate(settings.response_fallbacks)
    }
    if settings.is_streaming and not settings.relay.enabled:
        paths = [STT[name].model for name in settings.recognisers if _is_makers(settings, name)]
        models |= {".".join(path): value for path in paths if path and (value := value_at(settings, path))}
        models |= retiring_models(settings)
    return models


def _is_makers(settings: Settings, name: str) -> bool:
    """Whether the service is its maker's, whose models end; a server of the operator's own keeps its models."""
    return value_at(settings, STT[name].base_url) == STT[name].default_url


def judge(settings: Settings, today: date) -> Iterator[Finding]:
    ending = {key: model for key, model in used(settings).items() if model in RETIRING}
    for key, model in ending.items():
        day, instead = RETIRING[model]
        left = (date.fromisoformat(day) - today).days
        if left <= 0:
            yield warn(f"models.{key}", f"{model} stopped on {day}, and is replaced since", f"use {instead}")
        else:
            soon = "soon: " if left <= _SOON_DAYS else ""
            yield warn(f"models.{key}", f"{soon}{model} stops on {day}, in {left} days", f"use {instead}")
    if not ending:
        yield ok("models", "no model in use has an announced end")
