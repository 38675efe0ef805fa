"""`$include` in the host's configuration: parts of it that stand in files of their own.

As the host documents it: one file stands in for the object that names it, of several the later win, keys beside the
`$include` win over both, paths are relative to the file they stand in, and ten levels are enough. Lists replace. Only
the parts that concern us are read: a broken file of another plugin is not our trouble.
"""

from pathlib import Path
from typing import Any, Final

from voicecall.errors import ConfigError
from voicecall.settings.reading import source
from voicecall.settings.reading.raw import deep_merge

__all__ = ["included"]

_KEY: Final = "$include"
_DEEPEST: Final = 10
_OURS: Final[dict[str, Any]] = {
    "plugins": {"entries": {"voice-call": None}},
    "messages": {"tts": None},
    "tts": None,
    "secrets": None,
    "env": None,
}
"""The parts we read; None: everything under it."""


def included(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document with the files that its parts of ours name. Raises ConfigError for a file that cannot be read."""
    made = _whole(document, path.parent, _OURS, (path.resolve(),))
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
    """`above`: the files in whose middle we are."""
    names = value[_KEY] if isinstance(value[_KEY], list) else [value[_KEY]]
    if len(above) > _DEEPEST:
        raise ConfigError([f"{_KEY}: files name one another more than {_DEEPEST} levels deep; lay some together"])
    made: Any = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError([f"{_KEY}: is not the name of a file, or a list of names; write it in quotes"])
        path = _resolved(folder / name)
        if path in above:
            # Told at once: a circle of lists would be followed a thousand times before it is too deep.
            raise ConfigError(
                [f"{_KEY}: {str(path)!r} includes itself, perhaps by way of others; take one of them out"]
            )
        made = deep_merge(made, _whole(source.read(path, _KEY), path.parent, parts, (*above, path)))
    return deep_merge(made, {key: inner for key, inner in value.items() if key != _KEY})


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        return path  # links in a circle, or no name at all: reading it tells which
