"""The configuration in force, key by key, with the source of each value: for `voicecall config show`.

Of a secret only the length is shown.
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
    """`value`: plain data; a secret is masked. `source`: file, default, environment variable …, secret reference …"""

    path: Path
    value: Any
    source: str

    @property
    def name(self) -> str:
        return ".".join(self.path)


def effective(loaded: Loaded) -> list[Row]:
    """Every key in the model's order; under keys that the operator chooses, only those that are set."""
    values = loaded.settings.model_dump(by_alias=True, mode="python")
    return [
        Row(
            path,
            _shown(at(values, path), is_secret=not {MASKED, MAY_BE_REFERENCE}.isdisjoint(field.metadata)),
            _source(loaded, path),
        )
        for pattern, field in leaves()
        for path in matching(values, pattern)
        if "*" not in pattern or at(loaded.raw.raw, path) is not None
    ]


def _source(loaded: Loaded, path: Path) -> str:
    for length in range(len(path), 0, -1):
        known = loaded.raw.sources.get(path[:length])
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
