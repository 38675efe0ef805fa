"""`$include` in an `openclaw.json`: parts of it in files of their own.

As OpenClaw documents it: a file replaces the object that names it, of several files the later win, keys beside
`$include` win over both, lists replace, paths are relative to the including file, at most ten levels. Only the parts
that this program uses are read, so a broken file of another plugin does no harm.
"""

from pathlib import Path
from typing import Any, Final

from voicecall.errors import ConfigError
from voicecall.settings.reading import source
from voicecall.settings.reading.raw import deep_merge

__all__ = ["included"]

_KEY: Final = "$include"
_DEEPEST: Final = 10
_USED: Final[dict[str, Any]] = {
    "plugins": {"entries": {"voice-call": None}},
    "messages": {"tts": None},
    "tts": None,
    "secrets": None,
    "env": None,
}
"""The parts that are read; None: everything under it."""


def included(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document with its included files, in the parts that are read. Raises ConfigError for an unreadable file."""
    made = _whole(document, path.parent, _USED, (path.resolve(),))
    return made if isinstance(made, dict) else {}


def _whole(value: Any, folder: Path, parts: dict[str, Any] | None, above: tuple[Path, ...]) -> Any:
    if not isinstance(value, dict):
        return value
    if _KEY in value:
        value = _laid(value, folder, parts, above)
        if not isinstance(value, dict):
            return value
    return {
        key: _whole(inner, folder, parts[key] if parts is not None else None, above)
        if parts is None or key in parts
        else inner
        for key, inner in value.items()
    }


def _laid(value: dict[str, Any], folder: Path, parts: dict[str, Any] | None, above: tuple[Path, ...]) -> Any:
    """`above`: the files that are being read, outermost first."""
    names = value[_KEY] if isinstance(value[_KEY], list) else [value[_KEY]]
    if len(above) > _DEEPEST:
        raise ConfigError([f"{_KEY}: files name one another more than {_DEEPEST} levels deep; lay some together"])
    made: Any = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError([f"{_KEY}: is not the name of a file, or a list of names; write it in quotes"])
        path = _resolved(folder / name)
        if path in above:
            # Refused at once: with lists, a circle would be followed many times before it is too deep.
            raise ConfigError(
                [f"{_KEY}: {str(path)!r} includes itself, perhaps by way of others; take one of them out"]
            )
        made = deep_merge(made, _whole(source.read(path, _KEY), path.parent, parts, (*above, path)))
    return deep_merge(made, {key: inner for key, inner in value.items() if key != _KEY})


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        return path  # links in a circle, or not a file name: reading it reports which
