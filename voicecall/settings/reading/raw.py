"""The document of a configuration while it is being read, with origins, sources, warnings and problems.

Every step of reading takes a `RawSettings` and changes it. Its values are plain dictionaries, not validated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from voicecall.settings.reading.tree import Path

__all__ = ["RawSettings", "at", "copy_of", "deep_merge", "matching", "put", "take"]

_NEVER_KEYS: Final = frozenset({"__proto__", "prototype", "constructor"})


@dataclass(slots=True)
class RawSettings:
    """`origin`: the operator's name of a key that was moved or filled in, for messages.

    `sources`: where the value of a key comes from when it does not stand in the file as it is. `filled`: keys that the
    file leaves out, with a value from elsewhere.
    """

    raw: dict[str, Any]
    prefix: str = ""
    origin: dict[Path, str] = field(default_factory=dict)
    sources: dict[Path, str] = field(default_factory=dict)
    filled: set[Path] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """The key as the operator wrote it, with its full path."""
        for length in range(len(path), 0, -1):
            known = self.origin.get(path[:length])
            if known is not None:
                return ".".join((known, *path[length:]))
        return self.prefix + ".".join(path)

    def move(self, old: Path, new: Path) -> None:
        """Carry origin and source of a key, and of the keys under it, to its new place."""
        for known in (self.origin, self.sources):
            for path in [path for path in known if path[: len(old)] == old]:
                known[(*new, *path[len(old) :])] = known.pop(path)

    @property
    def is_off(self) -> bool:
        return self.raw.get("enabled") is False


def at(raw: Any, path: Path) -> Any:
    """The value at `path`, None when any step of it is missing. The key of an item of a list is its place."""
    for key in path:
        if isinstance(raw, list | tuple) and key.isdecimal() and int(key) < len(raw):
            raw = raw[int(key)]
        elif isinstance(raw, dict):
            raw = raw.get(key)
        else:
            return None
    return raw


def put(raw: dict[str, Any], path: Path, value: Any) -> bool:
    """Set a value and create the objects above it; False when one of them is another kind of value."""
    held: Any = raw
    for key in path[:-1]:
        held = held.setdefault(key, {}) if isinstance(held, dict) else at(held, (key,))
    if not isinstance(held, dict):
        return False
    held[path[-1]] = value
    return True


def take(raw: dict[str, Any], path: Path) -> Any:
    """Remove a value and return it; None when there is none. Objects that become empty stay."""
    holder = at(raw, path[:-1])
    return holder.pop(path[-1], None) if isinstance(holder, dict) else None


def matching(raw: Any, pattern: Path, before: Path = ()) -> Iterator[Path]:
    """The paths that exist and match; `*` stands for any key, and for any place in a list."""
    if not pattern:
        yield before
    elif isinstance(raw, list | tuple) and pattern[0] == "*":
        for place, inner in enumerate(raw):
            yield from matching(inner, pattern[1:], (*before, str(place)))
    elif isinstance(raw, dict):
        for key in list(raw) if pattern[0] == "*" else [pattern[0]]:
            if key in raw:
                yield from matching(raw[key], pattern[1:], (*before, str(key)))


def copy_of(value: Any) -> Any:
    """A copy whose objects and lists may be changed without changing the document."""
    if isinstance(value, Mapping):
        return {key: copy_of(inner) for key, inner in value.items()}
    return [copy_of(inner) for inner in value] if isinstance(value, list) else value


def deep_merge(core: Any, override: Any) -> Any:
    """Objects merge key by key; every other value of `override` replaces."""
    if not isinstance(core, dict) or not isinstance(override, dict):
        return override
    merged = {key: value for key, value in core.items() if key not in _NEVER_KEYS}
    for key, value in override.items():
        if key not in _NEVER_KEYS:
            merged[key] = deep_merge(merged[key], value) if key in merged else value
    return merged
