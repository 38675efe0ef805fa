"""The configuration as it is in force, key by key, with where each value came from: for `voicecall config show`.

Secrets are never part of it, only how long they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from voicecall.manifests.fields import MASKED, MAY_BE_REFERENCE
from voicecall.settings.reading.load import Loaded
from voicecall.settings.reading.raw import at, matching
from voicecall.settings.reading.tree import Path, leaves

__all__ = ["Row", "effective"]


@dataclass(frozen=True, slots=True)
class Row:
    """`value`: plain data; a secret is masked. `came`: file, default, environment variable …, secret reference …"""

    path: Path
    value: Any
    came: str

    @property
    def name(self) -> str:
        return ".".join(self.path)


def effective(loaded: Loaded) -> list[Row]:
    """Every key in the model's order; for a key that the operator chooses, what is set under it."""
    values = loaded.settings.model_dump(by_alias=True, mode="python")
    return [
        Row(
            path,
            _shown(at(values, path), is_secret=not {MASKED, MAY_BE_REFERENCE}.isdisjoint(field.metadata)),
            _came(loaded, path),
        )
        for pattern, field in leaves()
        for path in matching(values, pattern)
        if "*" not in pattern or at(loaded.raw.raw, path) is not None
    ]


def _came(loaded: Loaded, path: Path) -> str:
    for length in range(len(path), 0, -1):
        known = loaded.raw.came.get(path[:length])
        if known is not None and at(loaded.raw.raw, path) is not None:
            return known
    return "default" if at(loaded.raw.raw, path) is None else "file"


def _shown(value: Any, *, is_secret: bool) -> Any:
    if is_secret:
        return _masked(value)
    if isinstance(value, Enum):
        return value.value
    return list(_plain(value)) if isinstance(value, tuple) else value


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_masked(inner) for inner in value]
    return None if value is None else f"*** ({len(value)} characters)"


def _plain(values: tuple[Any, ...]) -> Iterator[Any]:
    for value in values:
        yield value.value if isinstance(value, Enum) else value
