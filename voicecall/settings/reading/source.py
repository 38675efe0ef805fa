"""Finds and parses the configuration: the file in VOICECALL_CONFIG, or `openclaw.json` in its usual place.

JSON5, and therefore JSON, or TOML by its suffix. Knows files and formats, and no keys.
"""

import json
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import json5

from voicecall.errors import ConfigError

__all__ = ["Source", "expanded", "find", "parse", "read"]

_MAX_BYTES: Final = 262_144
_HOST: Final = "openclaw.json"
_DEEPEST: Final = 64
_THE_TEXT: Final = "the configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, and why it is read: the variable that names it, or its usual place."""

    path: Path
    because: str

    @property
    def is_open_to_others(self) -> bool:
        """Whether other users of this machine may read it."""
        try:
            return bool(self.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
        except OSError:
            return False


def find(environ: Mapping[str, str]) -> Source:
    """The file to read; it may not exist when a variable names it. Raises ConfigError when nothing points anywhere."""
    for variable in ("VOICECALL_CONFIG", "OPENCLAW_CONFIG_PATH", "OPENCLAW_STATE_DIR"):
        if name := environ.get(variable, "").strip():
            path = expanded(name, environ)
            return Source(path=path / _HOST if variable.endswith("_DIR") else path, because=variable)
    usual = _home(environ) / ".openclaw" / _HOST
    if not usual.is_file():
        problem = (
            f"VOICECALL_CONFIG is not set, and there is no {usual}; point it to the configuration, a JSON5, JSON or"
            " TOML file, or an openclaw.json"
        )
        raise ConfigError([problem])
    return Source(path=usual, because="its usual place")


def expanded(name: str, environ: Mapping[str, str]) -> Path:
    """The path with `~` replaced by OPENCLAW_HOME or HOME."""
    return _home(environ) / name[2:] if name.startswith("~/") else Path(name)


def read(path: Path, because: str) -> dict[str, Any]:
    """The document in a file. Raises ConfigError, naming the file and why it was read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise ConfigError([f"{because}: cannot read {str(path)!r} ({reason}); name a readable file"]) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError([f"{because}: {str(path)!r} is over 256 KiB; that is no configuration"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{because}: {str(path)!r} is not UTF-8 at byte {error.start}; save it as UTF-8"]) from error
    what = f"{because}: {str(path)!r}"
    return _shallow(_toml(text, what), what) if path.suffix.lower() == ".toml" else parse(text, what)


def parse(text: str, what: str = _THE_TEXT) -> dict[str, Any]:
    """The object in a JSON5 text. Raises ConfigError, whose problem begins with `what`."""
    try:
        document = _json(text)
    except ValueError as error:
        problem = " ".join(str(error).replace("<string>:", "line ", 1).split())[:200]
        raise ConfigError([f"{what} is not JSON5: {problem}; correct it there"]) from error
    except RecursionError as error:
        raise _too_deep(what) from error
    if not isinstance(document, dict):
        raise ConfigError([f"{what} is not an object; write it in {{ }}"])
    return _shallow(document, what)


def _too_deep(what: str) -> ConfigError:
    return ConfigError([f"{what} is nested too deeply; no key needs that"])


def _shallow(document: dict[str, Any], what: str) -> dict[str, Any]:
    """The document, when it is not nested more deeply than later steps can follow. Raises ConfigError."""
    layer: list[Any] = [document]
    for _ in range(_DEEPEST):
        layer = [inner for each in layer for inner in _inside(each)]
    if layer:
        raise _too_deep(what)
    return document


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _json(text: str) -> Any:
    try:
        # A hundred times faster than json5 where it suffices, and an openclaw.json may be long.
        return json.loads(text, object_pairs_hook=_once)
    except ValueError:
        return json5.loads(text, allow_duplicate_keys=False)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")  # json5 then reports which
    return made


def _toml(text: str, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # syntax errors, and numbers with thousands of digits
        raise ConfigError([f"{what} is not TOML: {str(error)[:200]}; correct it there"]) from error
    except RecursionError as error:
        raise _too_deep(what) from error


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("OPENCLAW_HOME", "").strip() or environ.get("HOME", "").strip() or "/nonexistent")
