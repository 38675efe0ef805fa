"""A JSON body is read the same however it is spaced, and a key that comes twice is refused however it is spelt."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.carriers.common.json_body import read_object
from voicecall.errors import WebhookRejected

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)
_OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _VALUES)


@given(value=_OBJECTS)
def test_spaces_and_escapes_do_not_change_what_is_read(value: dict[str, object]) -> None:
    """The compact spelling is read by one parser, the others by two."""
    assert read_object(orjson.dumps(value)) == read_object(json.dumps(value).encode()) == value


@given(value=_VALUES, other=_VALUES)
def test_a_key_that_comes_twice_is_refused_at_any_depth(value: object, other: object) -> None:
    """Also with equal values, which a parser that keeps the last one would not notice."""
    twice = b'{"a":%b,"a":%b}' % (orjson.dumps(value), orjson.dumps(other))
    for body in (twice, b'{"b":[%b]}' % twice, b'{"b":{"c":%b}}' % twice):
        with pytest.raises(WebhookRejected):
            read_object(body)


@pytest.mark.parametrize("body", [b'{"a":1,"\\u0061":1}', b'{"a":NaN}', b'{"a":1}x', b"[1]", b'{"a":"\\ud800"}', b""])
def test_what_two_parsers_could_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        read_object(body)


def test_an_object_deeper_than_can_be_written_is_read() -> None:
    """One parser reads deeper objects than it can write."""
    body = b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"
    assert read_object(body) == json.loads(body)
