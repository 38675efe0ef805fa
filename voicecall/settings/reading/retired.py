"""Warns of models whose end their service has announced.

Such a model works until its day, and is replaced from that day on, in a process that runs on it too (`in_force` of the
manifests). Only at the service's own address: a server of the operator's own keeps a model as long as it likes.
"""

from voicecall.manifests import STT, TTS, SttManifest, TtsManifest
from voicecall.manifests.openai import is_openai
from voicecall.settings.reading.raw import RawSettings, at, matching
from voicecall.settings.reading.tree import Path

__all__ = ["warn"]


def warn(raw: RawSettings) -> None:
    """One warning for each such model, which says when it ends and what follows it."""
    services: tuple[SttManifest | TtsManifest, ...] = (*STT.values(), *TTS.values())
    for service in services:
        if service.model is None:
            continue
        for route in [(), *matching(raw.raw, ("numbers", "*"))]:
            model = at(raw.raw, (*route, *service.model))
            if not isinstance(model, str) or model not in service.replaced:
                continue
            url = at(raw.raw, (*route, *service.base_url)) or at(raw.raw, service.base_url)
            if url is None or (isinstance(url, str) and is_openai(url)):
                _warn(raw, (*route, *service.model), model, service.retiring[model][0], service.replaced[model])


def _warn(raw: RawSettings, key: Path, model: str, day: str, used: str) -> None:
    raw.warnings.append(f"{raw.name(key)}: {model} ends on {day}, and {used} is used from that day on; write {used}")
