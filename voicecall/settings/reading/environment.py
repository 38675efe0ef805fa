"""Values from the environment: fallbacks for missing keys, and `${NAME}` inside of texts.

The file wins over the environment; a blank variable counts as missing. Redis and addresses to listen on are read by
`deployment`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from voicecall.manifests import AGENTS, CARRIERS, DEFAULT_CARRIER, REALTIME, STT, TTS
from voicecall.settings.reading import response_models
from voicecall.settings.reading.raw import RawSettings, at, put
from voicecall.settings.reading.tree import Path

__all__ = ["COMMON", "OF_MODELS", "OF_PROVIDER", "fill", "substitute", "variables_of"]

OF_PROVIDER: Final[Mapping[Any, Mapping[Path, str]]] = {
    name: dict(carrier.variables) for name, carrier in CARRIERS.items()
}
"""Filled for the configured carrier only."""

COMMON: Final[tuple[tuple[Path, str], ...]] = (
    (("archive", "url"), "VOICECALL_ARCHIVE_URL"),
    (("tunnel", "ngrokAuthToken"), "NGROK_AUTHTOKEN"),
    (("tunnel", "ngrokDomain"), "NGROK_DOMAIN"),
    *(variable for service in STT.values() for variable in service.variables),
    *(variable for service in TTS.values() for variable in service.variables),
    *(variable for service in REALTIME.values() for variable in service.variables),
)
"""Filled for every carrier, from the first variable that is set."""

OF_MODELS: Final[tuple[tuple[Path, str], ...]] = tuple(
    variable for service in AGENTS.values() for variable in service.variables
)
"""Filled for the service that `responseModel` names."""

_NAMED: Final = re.compile(r"(\$?)\$\{([A-Z_][A-Z0-9_]*)\}")


def fill(raw: RawSettings, environ: Mapping[str, str]) -> None:
    """Fill missing keys from their variables, and the addresses of models' services."""
    for path, variable in [*_fallbacks(raw.raw.get("provider", DEFAULT_CARRIER)), *response_models.variables(raw)]:
        value = environ.get(variable, "").strip()
        if value and at(raw.raw, path) is None and put(raw.raw, path, value):
            raw.origin[path] = f"environment variable {variable}"
            raw.sources[path] = f"environment variable {variable}"
            raw.filled.add(path)
    response_models.fill_addresses(raw)


def variables_of(path: Path) -> list[str]:
    """The variables of a key, in the order in which they are tried."""
    chosen = [names[path] for names in OF_PROVIDER.values() if path in names]
    return [*chosen, *(variable for key, variable in (*COMMON, *OF_MODELS) if key == path)]


def substitute(raw: RawSettings, environ: Mapping[str, str]) -> None:
    """Replace `${NAME}` in every text; `$${NAME}` becomes `${NAME}`. A missing variable is a problem of its key."""

    def written(path: Path, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[2]
            if found[1]:
                return f"${{{name}}}"
            raw.sources[path] = f"environment variable {name}" if found[0] == text else f"file, with ${{{name}}}"
            if environ.get(name, "").strip():
                return environ[name].strip()
            if not raw.is_off:
                raw.problems.append(
                    f"{raw.name(path)}: names the environment variable {name}, which is not set;"
                    f" set it, or write $${{{name}}} for the text itself"
                )
            return found[0]

        return _NAMED.sub(value, text)

    raw.raw = _walked(raw.raw, (), written)


def _walked(value: Any, path: Path, written: Callable[[Path, str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _walked(inner, (*path, str(key)), written) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walked(inner, (*path, str(place)), written) for place, inner in enumerate(value)]
    return written(path, value) if isinstance(value, str) and "${" in value else value


def _fallbacks(provider: Any) -> Iterator[tuple[Path, str]]:
    chosen = OF_PROVIDER.get(provider, {}) if isinstance(provider, str) else {}
    yield from chosen.items()
    yield from COMMON
