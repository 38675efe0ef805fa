"""Replaces secret references `{source, provider, id}` by the secrets, once, at start.

Only references that are needed are resolved: not those of a carrier that is not configured. A problem names the key,
the reason and the remedy, never the secret. `secret_providers` reads environment, files and programs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from voicecall.manifests import CARRIERS, DEFAULT_CARRIER, DEFAULT_STT
from voicecall.manifests.fields import MAY_BE_REFERENCE
from voicecall.settings.model.secrets import PROVIDER_NAME, SecretDefaults, SecretProvider
from voicecall.settings.reading.raw import RawSettings, at, matching, put, take
from voicecall.settings.reading.secret_providers import Unresolved, from_environment, from_file, from_program
from voicecall.settings.reading.tree import Path, leaves

__all__ = ["REFERENCE_IDS", "is_reference", "places", "resolve"]

REFERENCE_IDS: Final = {
    "env": r"^[A-Z][A-Z0-9_]{0,127}$",
    "file": r"^(?:value|/.{0,1000})$",
    "exec": r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}$",
}
"""Patterns of ids, by source."""

_PATTERNS: Final = tuple(path for path, field in leaves() if MAY_BE_REFERENCE in field.metadata)
_KEYS: Final = frozenset({"source", "provider", "id"})
_HOW: Final = 'write {source: "env", provider: "default", id: "NAME"}, or source "file" or "exec"'


@dataclass(frozen=True, slots=True)
class _Reference:
    path: Path
    source: str
    provider: str
    id: str


def is_reference(value: Any) -> bool:
    return isinstance(value, dict) and "source" in value and set(value) <= _KEYS


def places(raw: dict[str, Any]) -> list[Path]:
    """The keys of the document that hold a secret or a reference to one."""
    return [path for pattern in _PATTERNS for path in matching(raw, pattern)]


def resolve(raw: RawSettings, environ: Mapping[str, str]) -> None:
    """Replace every reference; a secret that cannot be had is a problem, and its key gets a placeholder."""
    references = list(_found(raw))
    for source, provider in dict.fromkeys((each.source, each.provider) for each in references):
        here = [each for each in references if (each.source, each.provider) == (source, provider)]
        try:
            provider_ = _provider(raw, here[0])
            values = _values(provider_, here, environ, raw)
        except Unresolved as problem:
            values = dict.fromkeys((each.id for each in here), problem)
        for each in here:
            _settle(raw, each, values.get(each.id, Unresolved("there is no such secret", "correct the id")))
    if ("secrets",) in raw.origin:
        # OpenClaw's general block may hold providers of kinds that are unknown here; it is not validated.
        raw.raw.pop("secrets")


def _found(raw: RawSettings) -> Iterator[_Reference]:
    """Every reference that is needed and well formed; the others are removed from the document."""
    for path in places(raw.raw):
        value = at(raw.raw, path)
        if not is_reference(value):
            continue
        defaults = at(raw.raw, ("secrets", "defaults")) or {}
        source, ident = value.get("source"), value.get("id")
        provider = value.get("provider", defaults.get(source) or getattr(SecretDefaults(), str(source), "default"))
        problem = _malformed(source, provider, ident)
        if not problem and (raw.is_off or not _is_needed(raw.raw, path)):
            take(raw.raw, path)
            raw.sources[path] = "secret reference, not needed"
        elif problem:
            _settle(raw, _Reference(path, "", "", ""), Unresolved(problem, _HOW))
        else:
            yield _Reference(path, source, provider, ident)


def _malformed(source: Any, provider: Any, ident: Any) -> str:
    if source not in REFERENCE_IDS:
        return "the secret reference has no source that is offered"
    if not isinstance(provider, str) or re.fullmatch(PROVIDER_NAME, provider) is None:
        return "the secret reference's provider is no name of a provider"
    if not isinstance(ident, str) or re.fullmatch(REFERENCE_IDS[source], ident) is None:
        return f"the secret reference's id is none of the source {source}"
    return ""


def _is_needed(raw: dict[str, Any], path: Path) -> bool:
    if path[0] in CARRIERS:
        return bool(raw.get("provider", DEFAULT_CARRIER) == path[0])
    if path[0] == "tunnel":
        return bool(at(raw, ("tunnel", "provider")) == "ngrok")
    if path[:2] == ("streaming", "providers"):
        fallbacks = at(raw, ("streaming", "fallbacks"))
        others = fallbacks if isinstance(fallbacks, list) else []
        is_chosen = path[2] in [at(raw, ("streaming", "provider")) or DEFAULT_STT, *others]
        return is_chosen and at(raw, ("streaming", "enabled")) is True
    if path[0] in {"streaming", "tts", "numbers"}:
        return at(raw, ("streaming", "enabled")) is True
    return True


def _provider(raw: RawSettings, reference: _Reference) -> SecretProvider:
    name = ("secrets", "providers", reference.provider)
    written = at(raw.raw, name)
    if written is None and (reference.source, reference.provider) == ("env", "default"):
        return SecretProvider()
    provider_key = raw.name(name)
    if not isinstance(written, dict):
        raise Unresolved(f"the secret provider {reference.provider!r} is not configured", f"add {provider_key}")
    try:
        known = {field.alias or key for key, field in SecretProvider.model_fields.items()}
        provider = SecretProvider.model_validate({key: value for key, value in written.items() if key in known})
    except ValidationError as error:
        at_fault = ", ".join(str(found["loc"][0]) for found in error.errors())
        raise Unresolved(
            f"the secret provider {reference.provider!r} is misconfigured ({at_fault})", f"correct {provider_key}"
        ) from error
    if provider.source != reference.source:
        raise Unresolved(
            f"the secret provider {reference.provider!r} is no {reference.source}", f"correct {provider_key}.source"
        )
    return provider


def _values(
    provider: SecretProvider, references: list[_Reference], environ: Mapping[str, str], raw: RawSettings
) -> Mapping[str, str | Unresolved]:
    ids = list(dict.fromkeys(each.id for each in references))
    if provider.source == "env":
        return from_environment(provider, ids, environ)
    if provider.source == "file":
        return from_file(provider, ids, environ, raw.warnings.append)
    return from_program(provider, references[0].provider, ids, environ)


def _settle(raw: RawSettings, reference: _Reference, value: str | Unresolved) -> None:
    if isinstance(value, Unresolved):
        raw.problems.append(f"{raw.name(reference.path)}: {value.reason}; {value.remedy}")
        # A placeholder, so that "is required" is not reported besides.
        put(raw.raw, reference.path, "unresolved")
        return
    put(raw.raw, reference.path, value)
    raw.sources[reference.path] = f"secret reference {reference.source}:{reference.provider}:{reference.id}"
