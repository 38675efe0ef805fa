"""A part of JSON Schema (draft 2020-12): enough to describe the data of a report, and nothing that can take long.

Pure. Schemas come from API clients and from the configuration, values from a model. `problem_of` refuses a schema with
what is not supported, so that no rule is silently without effect; `faults_of` says where a value does not fit. Patterns
are not supported (they can take for ever), nor are references to other documents.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["KEYWORDS", "LONGEST_SCHEMA", "faults_of", "problem_of"]

LONGEST_SCHEMA: Final = 16_384
"""Characters of a schema as JSON."""

_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_NOTES: Final = frozenset({"$comment", "$schema", "default", "description", "examples", "format", "title"})
_COUNTS: Final = frozenset({"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"})
_LIMITS: Final = frozenset({"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"})
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf"})
_MAPS: Final = frozenset({"$defs", "properties"})

KEYWORDS: Final = frozenset(
    {"$ref", "additionalProperties", "const", "enum", "items", "required", "type"}
    | (_NOTES | _COUNTS | _LIMITS | _LISTS | _MAPS)
)
"""The supported keywords; `format` is a note, as in JSON Schema itself."""

_CLASSES: Final = {"array": list, "boolean": bool, "null": type(None), "object": dict, "string": str}
_DEEPEST: Final = 16
_STEPS: Final = 20_000  # of one validation, so that no combination of schemas and values takes long
_MOST_FAULTS: Final = 10
_REF: Final = "#/$defs/"

Schema = Mapping[str, Any]


def problem_of(schema: Any) -> str:
    """Why the schema cannot be used, naming the place; "" when it can."""
    if not isinstance(schema, dict):
        return "is not an object; write a JSON Schema, as in {type: 'object', properties: {…}}"
    if schema.get("type", "object") != "object":
        return "describes no object; its type must be object"
    try:
        length = len(json.dumps(schema, allow_nan=False))
    except (ValueError, TypeError, RecursionError):
        return "is not JSON"
    if length > LONGEST_SCHEMA:
        return f"is {length} characters long; {LONGEST_SCHEMA} are allowed"
    definitions = schema.get("$defs", {})
    names = frozenset(definitions) if isinstance(definitions, dict) else frozenset()
    problem = next(_problems(schema, "", names, 0), "")
    return problem or _endless(schema, names)


def faults_of(value: Any, schema: Schema) -> list[str]:
    """Where the value does not fit, at most ten sentences; none when it does."""
    check = _Check(schema.get("$defs", {}))
    faults = []
    try:
        for fault in check.faults(value, schema, "", 0):
            faults.append(fault)
            if len(faults) == _MOST_FAULTS:
                break
    except _TooMuch:
        faults.append("is too deep or too large to be checked")
    return faults


def _problems(schema: Any, at: str, names: frozenset[str], depth: int) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{at or 'schema'} is no schema; write an object"
        return
    if depth > _DEEPEST:
        yield f"{at} is nested deeper than {_DEEPEST} levels"
        return
    for keyword, given in schema.items():
        here = f"{at}.{keyword}" if at else keyword
        if keyword not in KEYWORDS:
            yield f"{here} is not supported; leave it out ({', '.join(sorted(KEYWORDS - _NOTES))} are)"
        elif problem := _problem_of_keyword(keyword, given, names):
            yield f"{here} {problem}"
        else:
            yield from _inner_problems(keyword, given, here, names, depth)


def _inner_problems(keyword: str, given: Any, here: str, names: frozenset[str], depth: int) -> Iterator[str]:
    if keyword in {"additionalProperties", "items"}:
        yield from _problems(given, here, names, depth + 1)
    elif keyword in _LISTS:
        for place, each in enumerate(given):
            yield from _problems(each, f"{here}.{place}", names, depth + 1)
    elif keyword in _MAPS:
        for name, each in given.items():
            yield from _problems(each, f"{here}.{name}", names, depth + 1)


def _problem_of_keyword(keyword: str, given: Any, names: frozenset[str]) -> str:
    if keyword == "type":
        kinds = given if isinstance(given, list) else [given]
        fits = bool(kinds) and all(isinstance(kind, str) and kind in _TYPES for kind in kinds)
        return "" if fits else f"is none of {', '.join(sorted(_TYPES))}, and no list of them"
    if keyword == "$ref":
        fits = isinstance(given, str) and given.startswith(_REF) and given.removeprefix(_REF) in names
        return "" if fits else "names nothing under $defs of this schema; write it as in #/$defs/Name"
    return _problem_of_value(keyword, given)


def _problem_of_value(keyword: str, given: Any) -> str:
    if keyword in _COUNTS and not (_is_integer(given) and given >= 0):
        return "is no whole number from 0 on"
    if keyword in _LIMITS and not _is_number(given):
        return "is no number"
    if keyword in (_LISTS | {"enum"}) and not (isinstance(given, list) and given):
        return "is no list with something in it"
    if keyword == "required" and not (isinstance(given, list) and all(isinstance(name, str) for name in given)):
        return "is no list of names"
    if keyword in _MAPS and not isinstance(given, dict):
        return "is no object"
    return ""


def _endless(schema: Schema, names: frozenset[str]) -> str:
    """References that lead to themselves without a value in between."""
    for name in sorted(names):
        met, at = {name}, schema["$defs"][name]
        while isinstance(at, dict) and "$ref" in at:
            target = at["$ref"].removeprefix(_REF)
            if target in met:
                return f"$defs.{name} refers to itself"
            met.add(target)
            at = schema["$defs"][target]
    return ""


class _TooMuch(Exception):
    pass


class _Check:
    """One validation, with a bound on its steps."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._steps = 0

    def faults(self, value: Any, schema: Any, at: str, depth: int) -> Iterator[str]:
        self._steps += 1
        if self._steps > _STEPS or depth > 4 * _DEEPEST:
            raise _TooMuch
        if isinstance(schema, bool):
            if not schema:
                yield f"{_named(at)} is not allowed"
            return
        if "$ref" in schema:
            yield from self.faults(value, self._definitions[schema["$ref"].removeprefix(_REF)], at, depth + 1)
        yield from _plain_faults(value, schema, at)
        yield from self._combined(value, schema, at, depth)
        if isinstance(value, dict):
            yield from self._members(value, schema, at, depth)
        if isinstance(value, list) and "items" in schema:
            for place, each in enumerate(value):
                yield from self.faults(each, schema["items"], f"{at}.{place}" if at else str(place), depth + 1)

    def _combined(self, value: Any, schema: Schema, at: str, depth: int) -> Iterator[str]:
        for each in schema.get("allOf", ()):
            yield from self.faults(value, each, at, depth + 1)
        if "anyOf" in schema and not any(self._fits(value, each, at, depth) for each in schema["anyOf"]):
            yield f"{_named(at)} fits none of anyOf"
        if "oneOf" in schema and sum(self._fits(value, each, at, depth) for each in schema["oneOf"]) != 1:
            yield f"{_named(at)} does not fit exactly one of oneOf"

    def _fits(self, value: Any, schema: Any, at: str, depth: int) -> bool:
        return next(self.faults(value, schema, at, depth + 1), None) is None

    def _members(self, value: dict[str, Any], schema: Schema, at: str, depth: int) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{_inside(at, name)} is missing"
        known = schema.get("properties", {})
        for name, each in value.items():
            inner = known.get(name, schema.get("additionalProperties", True))
            if inner is False and name not in known:
                yield f"{_named(at)} has a property that the schema does not allow"
            else:
                yield from self.faults(each, inner, _inside(at, name), depth + 1)


def _plain_faults(value: Any, schema: Schema, at: str) -> Iterator[str]:
    """What the keywords that look at one value alone have against it."""
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is_of(value, kind) for kind in kinds):
        yield f"{_named(at)} is not of the type {' or '.join(kinds)}"
    if "enum" in schema and not any(_is_same(value, each) for each in schema["enum"]):
        yield f"{_named(at)} is none of the values of enum"
    if "const" in schema and not _is_same(value, schema["const"]):
        yield f"{_named(at)} is not the value of const"
    if _is_number(value):
        yield from _limit_faults(value, schema, at)
    for kind, ending in ((str, "Length"), (list, "Items"), (dict, "Properties")):
        if isinstance(value, kind) and not _counts(len(value), schema, ending):
            yield f"{_named(at)} is shorter or longer than the schema allows"


def _limit_faults(value: float, schema: Schema, at: str) -> Iterator[str]:
    is_outside = (
        ("minimum" in schema and value < schema["minimum"])
        or ("maximum" in schema and value > schema["maximum"])
        or ("exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"])
        or ("exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"])
    )
    if is_outside:
        yield f"{_named(at)} is outside of its limits"


def _counts(length: int, schema: Schema, ending: str) -> bool:
    least, most = schema.get(f"min{ending}", 0), schema.get(f"max{ending}", length)
    return bool(least <= length <= most)


def _is_of(value: Any, kind: str) -> bool:
    if kind in {"integer", "number"}:
        return _is_integer(value) if kind == "integer" else _is_number(value)
    return isinstance(value, _CLASSES[kind])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _is_same(one: Any, other: Any) -> bool:
    """JSON's equality: 1 is 1.0 and not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    return bool(one == other)


def _named(at: str) -> str:
    return at or "the whole"


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
