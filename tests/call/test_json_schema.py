"""The part of JSON Schema that reports use: what it accepts, `jsonschema` accepts; what it lacks, it refuses."""

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from voicecall.call.json_schema import LONGEST_SCHEMA, faults_of, problem_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 1.5]) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
SCHEMAS = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(-2, 2),
            "minLength": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "minProperties": st.integers(0, 2),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "description": st.just("a note"),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "$ref": st.just("#/$defs/Leaf"),
        },
    ),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(SCHEMAS, VALUES)
def test_a_value_fits_when_a_whole_validator_says_so(inner: Any, value: Any) -> None:
    """Both are asked about one property of an object, as a report has them."""
    schema = {
        "type": "object",
        "properties": {"it": inner},
        "$defs": {"Leaf": {"type": ["string", "integer"]}},
    }
    assert problem_of(schema) == ""
    whole = {"it": value}
    assert (faults_of(whole, schema) == []) is Draft202012Validator(schema).is_valid(whole)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ([], "is not an object"),
        ({"type": "array"}, "must be object"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "properties.a.pattern is not supported"),
        ({"properties": {"a": {"$ref": "https://other.example/schema"}}}, "properties.a.$ref names nothing"),
        ({"properties": {"a": {"$ref": "#/$defs/Absent"}}}, "properties.a.$ref names nothing"),
        ({"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}, "refers to itself"),
        ({"properties": {"a": {"type": "text"}}}, "properties.a.type is none of"),
        ({"properties": {"a": 5}}, "properties.a is no schema"),
        ({"required": "a"}, "required is no list of names"),
        ({"minProperties": -1}, "minProperties is no whole number"),
        ({"properties": {"a": {"minimum": True}}}, "properties.a.minimum is no number"),
        ({"anyOf": []}, "anyOf is no list with something in it"),
        ({"description": "x" * LONGEST_SCHEMA}, "are allowed"),
        ({"const": float("nan")}, "is not JSON"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_place(schema: Any, says: str) -> None:
    assert says in problem_of(schema)


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(20):
        schema = {"properties": {"a": schema}}
    assert "nested deeper" in problem_of(schema)


def test_a_recursive_schema_over_a_large_value_takes_no_time() -> None:
    """It branches at every level: without the bound this would take longer than the age of the caller."""
    branch = {"$ref": "#/$defs/Tree"}
    schema = {
        "properties": {"tree": branch},
        "$defs": {"Tree": {"anyOf": [{"items": branch, "maxItems": 0}, {"items": branch, "minItems": 9}]}},
    }
    assert problem_of(schema) == ""
    value: Any = [[]] * 3
    for _ in range(12):
        value = [value] * 3
    started = time.monotonic()
    assert faults_of({"tree": value}, schema)
    assert time.monotonic() - started < 5


def test_no_fault_repeats_what_the_value_says() -> None:
    """Faults go back to the model and into the report; what a caller has said does not belong in either."""
    schema = {"properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    assert "sesame" not in json.dumps(faults_of({"a": "sesame", "sesame": 1}, schema))
