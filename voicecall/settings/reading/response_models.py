"""Which service each `responseModel` is sent to, the general one and those of `numbers`: its address and its key.

The prefix names the service, whose manifest has the address and the variable of the key. `responseBaseUrl` in the file
serves every model instead. A number whose model is another service's has an address and a key of its own, and so has
one of `responseFallbacks`, which a written `responseBaseUrl` serves only if its service is the same, or unknown. Used
while the environment is read, and by the rules between keys.
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
    """A model, and where the address and the key of its service stand: `at` is (), one of `numbers`, or a fallback.

    `of`: the place of the `responseModel` whose address and key a fallback shares.
    """

    model_at: Path
    at: Path
    provider: str
    service: AgentManifest | None
    is_fallback: bool = False
    of: "Place | None" = None

    @property
    def base_url(self) -> Path:
        return (*self.at, "baseUrl") if self.is_fallback else (*self.at, *AGENT.base_url)

    @property
    def api_key(self) -> Path:
        return (*self.at, "apiKey") if self.is_fallback else (*self.at, *AGENT.api_key)


def places(entered: RawSettings) -> Iterator[Place]:
    """The general model, those of numbers, then their fallbacks.

    `at` of a number is () when the general address and key serve it.
    """
    raw = entered.raw
    general = at(raw, _MODEL)
    general = _DEFAULT if general is None else general
    first = Place(_MODEL, (), provider_of(general), service_of(general))
    yield first
    yield from _fallbacks(entered, (), first)
    for number in matching(raw, ("numbers", "*")):
        model = at(raw, (*number, *_MODEL))
        own = _of_number(entered, number, first, model) if provider_of(model) else None
        if own is not None:
            yield own
        yield from _fallbacks(entered, number, first if model is None else own)


def _of_number(entered: RawSettings, number: Path, general: Place, model: str) -> Place:
    provider = provider_of(model)
    is_alike = provider == (general.provider or AGENT.name)
    has_own = at(entered.raw, (*number, *AGENT.base_url)) is not None
    is_shared = not has_own and (is_alike or _is_written(entered, AGENT.base_url))
    return Place((*number, *_MODEL), () if is_shared else number, provider, service_of(model))


def _fallbacks(entered: RawSettings, route: Path, main: Place | None) -> Iterator[Place]:
    """Those of `route`. `main`: the model that they follow; None when that has neither address nor key."""
    for entry in matching(entered.raw, (*route, "responseFallbacks", "*")):
        model = at(entered.raw, (*entry, "model"))
        provider, service = provider_of(model), service_of(model)
        if not provider:
            continue
        is_alike = main is not None and (
            _is_written(entered, main.base_url) if service is None else provider == main.provider
        )
        of = main if is_alike and not _is_written(entered, (*entry, "baseUrl")) else None
        yield Place((*entry, "model"), entry, provider, service, is_fallback=True, of=of)


def variables(entered: RawSettings) -> Iterator[tuple[Path, str]]:
    """The keys of every place, and the variables that fill them."""
    for place in places(entered):
        service = AGENT if place.at == () and not place.provider else place.service
        if service is not None and place.of is None:
            for path, variable in service.variables:
                yield place.api_key if path == service.api_key else place.base_url, variable


def fill_addresses(entered: RawSettings) -> None:
    """Write the address of each service where neither the file nor the environment names one."""
    for place in list(places(entered)):
        if place.of is not None:
            _share(entered, place.of.base_url, place.base_url)
            _share(entered, place.of.api_key, place.api_key)
        if place.service is None or not place.service.default_url or at(entered.raw, place.base_url) is not None:
            continue
        if (place.at or place.service is not AGENT) and put(entered.raw, place.base_url, place.service.default_url):
            entered.sources[place.base_url] = f"address of {place.service.name}"
            entered.filled.add(place.base_url)


def _share(entered: RawSettings, held: Path, path: Path) -> None:
    value = at(entered.raw, held)
    if value is not None and at(entered.raw, path) is None and put(entered.raw, path, value):
        entered.sources[path] = f"as {entered.name(held)}"
        entered.filled.add(path)


def _is_written(entered: RawSettings, path: Path) -> bool:
    """Whether the file itself has the key."""
    return at(entered.raw, path) is not None and path not in entered.filled
