"""Reading the configuration: JSON5 from the file that VOICECALL_CONFIG names, all problems told at once.

`load_settings` is for processes; `parse_settings` is the same without the file and without the refusal of a disabled
configuration.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import json5
from pydantic import ValidationError

from voicecall.errors import ConfigError
from voicecall.settings.model import Settings
from voicecall.settings.rules import broken_rules, doubts
from voicecall.settings.sentences import problems_of
from voicecall.settings.shapes import Draft, draft_of

__all__ = ["load_settings", "parse_settings"]

_log = logging.getLogger(__name__)
_MAX_BYTES: Final = 262_144


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings of this process. Raises ConfigError with every problem, also when `enabled` is false."""
    text = _read(environ)
    draft, settings = _parsed(text, environ)
    if not settings.enabled:
        raise ConfigError([f"{draft.name(('enabled',))} is false: voice-call is disabled; set it to true to start"])
    for doubt in doubts(draft):
        _log.warning("configuration", extra={"doubt": doubt})
    return settings


def parse_settings(text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in a JSON5 text, completed from `environ`. Raises ConfigError with every problem."""
    return _parsed(text, environ or {})[1]


def _read(environ: Mapping[str, str]) -> str:
    name = environ.get("VOICECALL_CONFIG", "").strip()
    if not name:
        raise ConfigError(["VOICECALL_CONFIG is not set; point it to the configuration, a JSON5 file"])
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise ConfigError(
            [f"VOICECALL_CONFIG: cannot read {name!r} ({reason}); point it to a readable file"]
        ) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError([f"VOICECALL_CONFIG: {name!r} is over 256 KiB; that is no configuration"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            [f"VOICECALL_CONFIG: {name!r} is not UTF-8 at byte {error.start}; save it as UTF-8"]
        ) from error


def _parsed(text: str, environ: Mapping[str, str]) -> tuple[Draft, Settings]:
    draft = draft_of(_document(text), environ)
    problems: list[str] = []
    settings = None
    try:
        settings = Settings.model_validate(draft.raw)
    except ValidationError as error:
        problems += problems_of(error, draft)
    problems += broken_rules(draft, environ)
    if settings is None or problems:
        raise ConfigError(problems)
    return draft, settings


def _document(text: str) -> dict[str, Any]:
    try:
        document = json5.loads(text, allow_duplicate_keys=False)
    except ValueError as error:
        problem = " ".join(str(error).split())[:200]
        raise ConfigError([f"the configuration is not JSON5: {problem}; correct it there"]) from error
    except RecursionError as error:
        raise ConfigError(["the configuration is nested too deeply; no key needs that"]) from error
    if not isinstance(document, dict):
        raise ConfigError(["the configuration is not an object; write it in { }"])
    return document
