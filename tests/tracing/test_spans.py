"""The trace of a call as data: parents, durations, and what its attributes hold."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.call.story import LEG, Story, arrived, stream_opened
from voicecall.archive import turns_of
from voicecall.call import events as e
from voicecall.call.ids import CallId
from voicecall.call.state import Call, Phase
from voicecall.call.waits import Span
from voicecall.tracing import ROOT, TraceSpan, call_spans
from voicecall.tracing.spans import span_id, trace_id

pytestmark = pytest.mark.quick

SECRETS = ("what time is it", "noon", "15550002000", "It is")


def conversation() -> tuple[Call, list[e.Event]]:
    """An ended call with one turn, in which the agent runs a tool; and its log."""
    times_and_events: list[tuple[float, e.Event]] = [
        (0.0, arrived("")),
        (0.1, stream_opened()),
        (0.2, e.SpeechStarted()),
        (1.2, e.SpeechStopped(silent_ms=500)),
        (1.4, e.Heard(text="what time is it", silent_ms=700)),
        (1.8, e.AgentSaid(turn=1, text="It is noon.", first_text_ms=250, connect_ms=20, tool_ms=130, tools=("clock",))),
        (1.95, e.PlaybackBegan(utterance=1, synthesis_ms=120, queued_ms=5)),
        (5.0, e.HungUp(leg=LEG, reason=e.EndReason.HANGUP_USER)),
    ]
    history = [replace(event, at=1000.0 + at) for at, event in times_and_events]
    call = Story().fold(*history).live
    assert call.is_over
    return call, history


def spans_by_name(model: str = "openai/gpt-x") -> dict[str, TraceSpan]:
    call, history = conversation()
    return {span.name: span for span in call_spans(call, turns_of(call, history)["turnSpans"], model=model)}


def test_a_call_has_turns_and_these_have_the_spans_of_the_record() -> None:
    found = spans_by_name()
    turn = found["turn"]
    assert (found["call"].key, found["call"].parent, turn.parent) == (ROOT, "", ROOT)
    parts = [found[span.value] for span in Span if span.value in found]
    assert {part.parent for part in parts} == {turn.key}
    assert [part.end_ms - part.start_ms for part in parts] == [500, 200, 20, 100, 130, 150, 120, 25, 5]
    assert (parts[0].start_ms, parts[-1].end_ms) == (turn.start_ms, turn.end_ms)
    assert all(one.end_ms == other.start_ms for one, other in pairwise(parts))
    assert found["call"].start_ms <= turn.start_ms <= turn.end_ms <= found["call"].end_ms


def test_attributes_follow_the_conventions_for_models_and_tools() -> None:
    found = spans_by_name()
    model, tool = found["agent_first_token"].attributes, found["tool"].attributes
    assert model["gen_ai.operation.name"] == "chat"
    assert (model["gen_ai.provider.name"], model["gen_ai.request.model"]) == ("openai", "gpt-x")
    assert (tool["gen_ai.operation.name"], tool["gen_ai.tool.name"]) == ("execute_tool", "clock")
    assert found["turn"].attributes["voicecall.wait_ms.service"] == 570


def test_no_span_has_words_or_numbers() -> None:
    for span in spans_by_name().values():
        text = f"{span.name} {span.attributes}"
        assert not any(secret in text for secret in SECRETS), text


def test_a_model_without_a_provider_and_an_agent_host() -> None:
    named = {model: spans_by_name(model)["agent_first_token"].attributes for model in ("llama", "remote/x", "openclaw")}
    assert named["llama"]["gen_ai.request.model"] == "llama"
    assert "gen_ai.provider.name" not in named["llama"]
    assert named["remote/x"]["gen_ai.operation.name"] == "invoke_agent"
    assert named["openclaw"]["gen_ai.operation.name"] == "invoke_agent"


@given(st.uuids(), st.uuids())
def test_ids_are_of_the_call_alone(one: object, other: object) -> None:
    """Every process gives one call the same trace."""
    mine, theirs = CallId(str(one)), CallId(str(other))
    assert trace_id(mine) == trace_id(CallId(str(one)))
    assert (trace_id(mine) == trace_id(theirs)) == (mine == theirs)
    assert 0 < span_id(mine, "turn 1") < 2**64
    assert span_id(mine, "turn 1") != span_id(mine, "turn 2")


def test_a_call_that_failed_is_marked() -> None:
    call, _ = conversation()
    ends = {phase: call_spans(replace(call, phase=phase), [])[0].failed for phase in (Phase.ERROR, Phase.COMPLETED)}
    assert ends == {Phase.ERROR: True, Phase.COMPLETED: False}
