"""Which service each `responseModel` is sent to, the general one and those of `numbers`: its address and its key.

The prefix names the service, whose manifest has the address and the variable of the key. `responseBaseUrl` in the file
serves every model instead. A number whose model is another service's has an address and a key of its own. Used while
the environment is read, and by the rules between keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from voicecall.manifests import AGENT, AgentManifest, provider_of, service_of
from voicecall.settings.reading.raw import RawSettings, at, matching, put
from voicecall.settings.reading.tree import Path

__all__ = ["Place", "fill_addresses", "places", "variables"]

_MODEL: Final = ("responseModel",)
_DEFAULT: Final = f"{AGENT.name}/"


@dataclass(frozen=True, slots=True)
class Place:
    """A `responseModel`, and where the address and the key of its service stand: `at` is () or one of `numbers`."""

    model_at: Path
    at: Path
    provider: str
    service: AgentManifest | None

    @property
    def base_url(self) -> Path:
        return (*self.at, *AGENT.base_url)

    @property
    def api_key(self) -> Path:
        return (*self.at, *AGENT.api_key)


def places(entered: RawSettings) -> Iterator[Place]:
    """The general model, then those of numbers. `at` of a number is () when the general address and key serve it."""
    raw = entered.raw
    general = at(raw, _MODEL)
    general = _DEFAULT if general is None else general
    yield Place(_MODEL, (), provider_of(general), service_of(general))
    for number in matching(raw, ("numbers", "*")):
        model = at(raw, (*number, *_MODEL))
        provider = provider_of(model)
        if not provider:
            continue
        is_alike = provider == (provider_of(general) or AGENT.name)
        has_own = at(raw, (*number, *AGENT.base_url)) is not None
        is_shared = not has_own and (is_alike or _is_written(entered, AGENT.base_url))
        yield Place((*number, *_MODEL), () if is_shared else number, provider, service_of(model))


def variables(entered: RawSettings) -> Iterator[tuple[Path, str]]:
    """The keys of every place, and the variables that fill them."""
    for place in places(entered):
        service = AGENT if place.at == () and not place.provider else place.service
        if service is not None:
            yield from (((*place.at, *path), variable) for path, variable in service.variables)


def fill_addresses(entered: RawSettings) -> None:
    """Write the address of each service where neither the file nor the environment names one."""
    for place in list(places(entered)):
        if place.service is None or not place.service.default_url or at(entered.raw, place.base_url) is not None:
            continue
        if (place.at or place.service is not AGENT) and put(entered.raw, place.base_url, place.service.default_url):
            entered.sources[place.base_url] = f"address of {place.service.name}"
            entered.filled.add(place.base_url)


def _is_written(entered: RawSettings, path: Path) -> bool:
    """Whether the file itself has the key."""
    return at(entered.raw, path) is not None and path not in entered.filled
