"""Replaces models whose end their service has announced, so that a process that runs on that day goes on working.

Only at the service's own address: a server of the operator's own may keep a model as long as it likes.
"""

from voicecall.manifests import STT
from voicecall.settings.reading.raw import RawSettings, at, put

__all__ = ["replace"]


def replace(raw: RawSettings) -> None:
    """Replace each such model, with one warning that says when it ends."""
    for service in STT.values():
        model, url = at(raw.raw, service.model), at(raw.raw, service.base_url)
        if not isinstance(model, str) or model not in service.replaced or url not in {None, service.default_url}:
            continue
        used, (day, _) = service.replaced[model], service.retiring[model]
        put(raw.raw, service.model, used)
        raw.sources[service.model] = f"replaces {model}"
        raw.warnings.append(f"{raw.name(service.model)}: {model} ends on {day}; {used} is used instead, write that")
