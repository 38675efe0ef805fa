"""Writes the address of our own speech server where the configuration names it and no address."""

from collections.abc import Iterator

from voicecall.manifests import STT, TTS
from voicecall.settings.reading.raw import RawSettings, at, matching, put
from voicecall.settings.reading.tree import Path

__all__ = ["fill_addresses"]


def fill_addresses(raw: RawSettings) -> None:
    """For speech recognition and voices, also in one of `numbers`."""
    for path, url in _addresses(raw):
        if at(raw.raw, path) is None and put(raw.raw, path, url):
            raw.sources[path] = "address of our own speech server"
            raw.filled.add(path)


def _addresses(raw: RawSettings) -> Iterator[tuple[Path, str]]:
    for place in ((), *matching(raw.raw, ("numbers", "*"))):
        for group, services in (("streaming", STT), ("tts", TTS)):
            named = _named(at(raw.raw, (*place, group)))
            for name in named & services.keys():
                if url := services[name].own_url:
                    yield (*place, *services[name].base_url), url


def _named(block: object) -> set[str]:
    if not isinstance(block, dict):
        return set()
    fallbacks = block.get("fallbacks")
    names = [block.get("provider"), *(fallbacks if isinstance(fallbacks, list) else [])]
    return {name for name in names if isinstance(name, str)}
