"""Reads the configuration from a file into `Settings`, and reports all problems at once.

`load_settings` is for processes; `read_settings` also returns sources and warnings, for `voicecall config`;
`parse_settings` takes a text. `_settled` runs the steps in their order.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from voicecall.environ import Variables
from voicecall.errors import ConfigError
from voicecall.settings.describe.messages import problems_of
from voicecall.settings.model.settings import Settings
from voicecall.settings.reading import legacy, openclaw, own_services, retired, secret_refs, source, unsupported
from voicecall.settings.reading.environment import fill, substitute
from voicecall.settings.reading.includes import included
from voicecall.settings.reading.raw import RawSettings, copy_of
from voicecall.settings.reading.rules import broken_rules, warnings

__all__ = ["Loaded", "load_settings", "parse_settings", "read_settings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, the file they were read from, and warnings."""

    settings: Settings
    source: source.Source
    raw: RawSettings = field(repr=False)  # may hold secrets
    warnings: tuple[str, ...]


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings of this process. Raises ConfigError with every problem, also when `enabled` is false."""
    loaded = read_settings(environ)
    if not loaded.settings.enabled:
        raise ConfigError([openclaw.why_disabled(loaded.raw.name(("enabled",)))])
    _log.info("configuration read", extra={"file": str(loaded.source.path), "because": loaded.source.because})
    for warning in loaded.warnings:
        _log.warning("configuration", extra={"warning": warning})
    return loaded.settings


def read_settings(environ: Mapping[str, str]) -> Loaded:
    """The settings with sources and warnings, also when `enabled` is false. Raises ConfigError with every problem."""
    found = source.find(environ)
    document = source.read(found.path, found.because)
    if openclaw.is_openclaw(document) or found.path.name.startswith("openclaw."):
        document = included(document, found.path)
        environ = openclaw.environment_of(document, environ)
        raw = openclaw.plugin_config(document)
    else:
        raw = RawSettings(copy_of(document))
    settings = _settled(raw, environ)
    return Loaded(settings=settings, source=found, raw=raw, warnings=(*warnings(raw), *_exposed(found, raw)))


def parse_settings(text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in a JSON5 text, completed from `environ`. Raises ConfigError with every problem."""
    document = source.parse(text)
    raw = openclaw.plugin_config(document) if openclaw.is_openclaw(document) else RawSettings(copy_of(document))
    return _settled(raw, environ or {})


def _settled(raw: RawSettings, environ: Mapping[str, str]) -> Settings:
    """Every step from the document to the model. Raises ConfigError."""
    variables = Variables(environ)
    substitute(raw, variables)
    unsupported.refuse(raw)
    legacy.fold(raw)
    secret_refs.resolve(raw, variables)
    fill(raw, variables)
    own_services.fill_addresses(raw)
    retired.warn(raw)
    problems = list(raw.problems)
    settings = None
    try:
        settings = Settings.model_validate(raw.raw)
    except ValidationError as error:
        # A key with a problem so far holds a placeholder; that the placeholder is refused is not reported.
        known = {problem.partition(":")[0] for problem in raw.problems}
        problems += [each for each in problems_of(error, raw) if each.partition(":")[0] not in known]
    problems += variables.problems
    problems += broken_rules(raw, variables)
    if settings is None or problems:
        raise ConfigError(problems)
    return settings


def _exposed(found: source.Source, raw: RawSettings) -> list[str]:
    plain = [path for path in secret_refs.places(raw.raw) if path not in raw.sources]
    if not plain or not found.is_open_to_others:
        return []
    return [f"others on this machine may read the secrets in {str(found.path)!r}; chmod 600 it, or keep them elsewhere"]
