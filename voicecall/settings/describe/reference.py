"""The table of all keys in `docs/configuration.md`: name, type, default, range, environment, meaning.

Made from the models and their schema, so that the page agrees with the program.
"""

import json
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from voicecall.manifests.fields import MAY_BE_REFERENCE
from voicecall.settings.describe.schema import node_at, schema
from voicecall.settings.reading.environment import variables_of
from voicecall.settings.reading.tree import Path, leaves

__all__ = ["markdown"]

_HEAD: Final = "| key | type | default | range | environment | meaning |\n|---|---|---|---|---|---|"
_NOTHING: Final = "\N{EN DASH}"


def markdown() -> str:
    """The table, one row per key, in the model's order. The keys of `numbers.*.tts` are listed once, under `tts`."""
    document = schema()
    rows = [_row(path, field, document) for path, field in leaves() if path[:3] != ("numbers", "*", "tts")]
    own = f"| `numbers.*.tts` | object | {_NOTHING} | as `tts` | {_NOTHING} | Laid over `tts`, key by key. |"
    place = next(place for place, row in enumerate(rows) if row.startswith("| `numbers.*.agentId`"))
    return "\n".join([_HEAD, *rows[:place], own, *rows[place:]])


def _row(path: Path, field: FieldInfo, document: dict[str, Any]) -> str:
    node = _alone(document, node_at(document, path))
    meaning = field.description or ""
    variables = ", ".join(f"`{name}`" for name in variables_of(path)) or _NOTHING
    cells = [f"`{'.'.join(path)}`", _kind(node, field), _default(field), _range(node), variables, meaning]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _alone(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The alternative that is neither null nor a secret reference."""
    inner: dict[str, Any] = next((each for each in node.get("anyOf", ()) if each.get("type") != "null"), node)
    if "$ref" in inner:
        inner = document["$defs"][inner["$ref"].rpartition("/")[2]]
    return inner


def _kind(node: dict[str, Any], field: FieldInfo) -> str:
    if MAY_BE_REFERENCE in field.metadata:
        return "secret"
    if "propertyNames" in node:
        return "JSON Schema"
    kind = str(node.get("type", "string" if "const" in node or "enum" in node else "object"))
    return {"array": "list of strings", "object": "object of strings"}.get(kind, kind)


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default is PydanticUndefined or default == "":
        return _NOTHING
    return f"`{json.dumps(getattr(default, 'value', default), default=list, ensure_ascii=False)}`"


def _range(node: dict[str, Any]) -> str:
    if "anyOf" in node:
        return ", ".join(text for text in map(_range, node["anyOf"]) if text != _NOTHING) or _NOTHING
    if "enum" in node or "const" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    parts = []
    for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<")):
        if name in node:
            parts.append(f"{sign} {node[name]:g}" if isinstance(node[name], float) else f"{sign} {node[name]}")
    pattern = node.get("pattern") or node.get("items", {}).get("pattern", "")
    parts += [text for mark, text in _PATTERNS.items() if mark in pattern]
    return ", ".join(parts) or _NOTHING


_PATTERNS: Final = {
    "[1-9][0-9]{1,14}": "E.164",
    "[Hh][Tt][Tt][Pp]": "http(s) URL",
    "^/(?:": "absolute path",
    "\\S": "not blank",
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}": "letters, digits, `_`, `-`",
    "sqlite": "`sqlite:///…` or `postgresql://…`",
}
