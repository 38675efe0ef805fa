"""Which parameters count as left out: null, and a blank text where a blank means nothing.

Models with a strict schema must write every parameter, so they write null or "" for those that they leave out. The
parameters of RPC, the brief and the agent tool use this before they validate. Pure.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["without_absent"]


def without_absent(values: Any, blank_matters: frozenset[str] = frozenset()) -> Any:
    """`values` without the keys that count as left out; anything but an object is returned unchanged.

    Null counts as left out; so do, except under the keys in `blank_matters`, a blank text and an object that holds
    nothing but such values. An empty object is a value.
    """
    if not isinstance(values, Mapping):
        return values
    return {
        key: value
        for key, value in values.items()
        if value is not None and (key in blank_matters or not _is_blank(value))
    }


def _is_blank(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(inner is None or inner == [] or _is_blank_text(inner) for inner in value.values())
    return _is_blank_text(value)


def _is_blank_text(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()
