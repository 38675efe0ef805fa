"""A model's answer is read whatever the service makes of the protocol, and what is collected is bounded."""

import tracemalloc
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.agents.stream import ModelStream
from voicecall.call.events import ToolRequest
from voicecall.errors import ServiceError


def event(delta: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"delta": delta}]}) + b"\n\n"


def tool(index: object = None, **fields: Any) -> bytes:
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    piece = {**fields, "function": function} | ({} if index is None else {"index": index})
    return event({"tool_calls": [piece]})


def read(*pieces: bytes) -> tuple[str, list[tuple[str, str, str]]]:
    stream = ModelStream()
    text = "".join([part for piece in pieces for part in stream.feed(piece)] + list(stream.flush()))
    return text, [(call.id, call.name, call.arguments) for call in stream.calls]


def test_b12_a_tool_index_of_millions_costs_nothing() -> None:
    tracemalloc.start()
    _, calls = read(tool(3_000_000, id="t", name="clock", arguments="{}"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert calls == [("t", "clock", "{}")]
    assert peak < 1_000_000


@pytest.mark.parametrize("index", [-1, 2**60, 1e300, "3000000", "x", True, None, [1], {"a": 1}])
def test_b12_an_index_of_any_form_is_read(index: object) -> None:
    assert read(tool(index, id="t", name="clock", arguments="{}"))[1] == [("t", "clock", "{}")]


def test_b12_tool_calls_are_bounded_in_number_and_size() -> None:
    many = [tool(n, id=f"t{n}", name="clock") for n in range(1_000)]
    long = [tool(0, id="t", name="clock", arguments="x" * 100_000)] * 10
    for pieces in (many, long, [tool(0, name="x" * 1_000)]):
        with pytest.raises(ServiceError) as caught:
            read(*pieces)
        assert not caught.value.retryable


def test_b12_a_body_without_end_is_refused() -> None:
    with pytest.raises(ServiceError, match="too long"):
        read(b"{", *[b" " * 100_000] * 20)


@pytest.mark.parametrize(
    "pieces",
    [
        [tool(0, id="a", name="f", arguments="{"), tool(0, arguments="}"), tool(1, id="b", name="g", arguments="{}")],
        [tool(id="a", name="f", arguments="{"), tool(arguments="}"), tool(id="b", name="g", arguments="{}")],
        [tool(0, id="a", name="f", arguments="{}"), tool(0, id="b", name="g", arguments={})],
        [
            tool("0", id="a", name="f", arguments="{"),
            tool("0", id="a", name="f", arguments="}"),
            tool(7, id="b", name="g", arguments="{}"),
        ],
    ],
)
def test_pieces_of_tool_calls_are_put_together_with_and_without_an_index(pieces: list[bytes]) -> None:
    """Some services leave the index out, give all calls the same, or repeat id and name with every piece."""
    assert read(*pieces)[1] == [("a", "f", "{}"), ("b", "g", "{}")]


@given(st.integers(1, 40))
def test_a_body_is_the_same_wherever_it_is_cut(size: int) -> None:
    sse = b": hello\n\n" + event({"content": "It is "}) + event({"content": [{"type": "text", "text": "noon."}]})
    body = b'{"choices": [{"message": {"content": "It is noon."}}]}'
    for whole in (sse + b"data: [DONE]\n\n", sse, body):
        assert read(*(whole[at : at + size] for at in range(0, len(whole), size)))[0] == "It is noon."


def test_a_message_repeated_at_the_end_of_a_stream_is_read_once() -> None:
    last = b'data: {"choices": [{"message": {"content": "Noon."}, "finish_reason": "stop"}]}\n\n'
    assert read(event({"content": "Noon."}), last)[0] == "Noon."


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"total_tokens": 57}, 57), ({"total_tokens": "57"}, 0), ({"total_tokens": -1}, 0), ([57], 0), (None, 0)],
)
def test_the_tokens_that_a_service_reports_are_read(usage: object, tokens: int) -> None:
    """In the last chunk, which has no choices."""
    stream = ModelStream()
    last = b"data: " + orjson.dumps({"choices": [], "usage": usage}) + b"\n\n"
    assert "".join(stream.feed(event({"content": "Noon."}) + last)) == "Noon."
    assert stream.tokens == tokens


def test_events_without_blank_lines_between_them_are_read() -> None:
    events = [event({"content": text}).strip() for text in ("It is ", "noon.")]
    assert read(b"\n".join([*events, b"data: [DONE]"]))[0] == "It is noon."


@pytest.mark.parametrize("junk", [b"[7]", b'"text"', b"{", b'{"choices": {}}', b'{"choices": [3]}', b"[" * 5_000])
def test_what_is_outside_the_protocol_is_a_service_error(junk: bytes) -> None:
    for written in (junk, b"data: " + junk + b"\n\n"):
        if not written.startswith(b'"'):
            with pytest.raises(ServiceError):
                read(written)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b'"a\nb\tc"', "a\nb\tc"),
        (b'"a\xff\xfeb"', "a\ufffd\ufffdb"),
        (rb'"a\ud800b"', "a\ufffdb"),
        (rb'"a\ud83d\ude00b"', "a\U0001f600b"),
        (b'"a", "logprobs": NaN', "a"),
        (b'"a", "logprobs": -Infinity', "a"),
        (b'"a", "index": ' + b"9" * 1_000, "a"),
        (b'"a"}, "index": NaN, "x": {"y": 1', "a"),
    ],
    ids=["raw-breaks", "cut-bytes", "half", "halves", "nan", "infinity", "digits", "nan-index"],
)
def test_b12_a_delta_that_is_almost_json_is_read(written: bytes, text: str) -> None:
    """A reply was lost for a line break that was not escaped."""
    delta = b'{"choices": [{"delta": {"content": %s}}]}' % written
    event_of = b"data: " + delta.replace(b"\n", b"\ndata: ") + b"\n\n"
    assert read(event_of)[0] == text
    assert read(delta)[0] == text


@pytest.mark.parametrize("size", [1, 1000])
def test_b12_the_halves_of_a_character_in_two_deltas_are_put_together(size: int) -> None:
    pieces = [rb"Good \ud83d", rb"\ude00 day", rb"\ud83d", rb"."]
    body = b"".join(b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % piece for piece in pieces)
    assert read(*[body[at : at + size] for at in range(0, len(body), size)])[0] == "Good \U0001f600 day\ufffd."


def test_b12_a_tool_call_with_halves_of_characters_can_be_sent_back() -> None:
    stream = ModelStream()
    call = rb'{"id": "\ud800", "function": {"name": "f", "arguments": "\udfff"}}'
    data = b'data: {"choices": [{"delta": {"tool_calls": [%s]}}]}\n\n' % call
    assert list(stream.feed(data)) == []
    assert stream.calls[0].request() == ToolRequest(id="\ufffd", name="f", arguments="\ufffd")


@pytest.mark.parametrize("depth", [20, 300, 900, 100_000])
@pytest.mark.parametrize(
    "place", ['"content": {}', '"tool_calls": [{{"index": 0, "function": {{"arguments": {{"a": {}}}}}}}]']
)
def test_b12_nesting_is_bounded_in_every_field(place: str, depth: int) -> None:
    """Either it is read or it is outside the protocol; nothing else is raised."""
    delta = place.format("[" * depth + '"hi"' + "]" * depth)
    with suppress(ServiceError):
        assert read(b'data: {"choices": [{"delta": {%s}}]}\n\n' % delta.encode())[0] == ""


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_b12_lines_end_as_server_sent_events_allow(end: bytes, size: int) -> None:
    body = (event({"content": "It is "}) + event({"content": "noon."}) + b"data: [DONE]\n\n").replace(b"\n", end)
    assert read(*[body[at : at + size] for at in range(0, len(body), size)])[0] == "It is noon."
