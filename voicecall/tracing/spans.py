"""The trace of a call as plain data: call, then turns, then the spans of each turn's wait.

Pure. The ids are derived from the call's id, so that every process gives one call the same trace, and a span that is
exported twice is one span. Attributes hold no words, numbers or secrets; their names are those of OpenTelemetry's
semantic conventions where there are any ("Generative AI"), else `voicecall.*`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from voicecall.call.events import EndReason
from voicecall.call.ids import CallId
from voicecall.call.state import Call, Direction
from voicecall.call.waits import OWNERS, Owner, Span

__all__ = ["ROOT", "Kind", "TraceSpan", "call_spans", "span_id", "trace_id"]

ROOT: Final = "call"
"""The key of the span that is the whole call."""

Attribute = str | int | Sequence[str]


class Kind(StrEnum):
    """OpenTelemetry's kinds of spans, as far as they are used."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """One span. `key` is unique in the call; `parent` is the key of another, "" of the root. Times in epoch ms."""

    name: str
    key: str
    parent: str = ROOT
    start_ms: int
    end_ms: int
    kind: Kind = Kind.INTERNAL
    failed: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


def trace_id(call: CallId) -> int:
    """128 bits, never 0."""
    return int.from_bytes(hashlib.sha256(f"voicecall trace {call}".encode()).digest()[:16]) or 1


def span_id(call: CallId, key: str) -> int:
    """64 bits, never 0."""
    return int.from_bytes(hashlib.sha256(f"voicecall span {call} {key}".encode()).digest()[:8]) or 1


def call_spans(call: Call, waits: Iterable[Mapping[str, Any]], *, model: str = "") -> tuple[TraceSpan, ...]:
    """The spans of an ended call, parents first. `waits`: `turnSpans` of its record. `model`: `responseModel`."""
    spans = [_call_span(call)]
    for number, wait in enumerate(waits):
        spans += _turn_spans(number, wait, _model_attributes(model))
    return tuple(spans)


def _call_span(call: Call) -> TraceSpan:
    attributes: dict[str, Attribute] = {
        "gen_ai.conversation.id": call.id,
        "voicecall.call.id": call.id,
        "voicecall.carrier": call.carrier,
        "voicecall.direction": call.direction.value,
        "voicecall.mode": call.mode.value,
        "voicecall.outcome": call.phase.value,
        "voicecall.turns": call.stats.completed_turns,
        "voicecall.takeovers": call.reactivations,
    }
    ended_at = call.last_event_at if call.ended_at is None else call.ended_at
    return TraceSpan(
        name="call",
        key=ROOT,
        parent="",
        start_ms=round(call.started_at * 1000),
        end_ms=round(ended_at * 1000),
        kind=Kind.SERVER if call.direction is Direction.INBOUND else Kind.CLIENT,
        failed=call.end_reason is EndReason.ERROR,
        attributes=attributes,
    )


def _turn_spans(number: int, wait: Mapping[str, Any], of_model: Mapping[str, Attribute]) -> Iterable[TraceSpan]:
    """The wait of one turn and its parts, without those that took no time."""
    spans: Mapping[str, int] = wait["spans"]
    end_ms: int = wait["at"]
    at_ms = end_ms - sum(spans.values())
    key = f"turn {number}"
    shares = {f"voicecall.wait_ms.{owner}": ms for owner, ms in wait["owners"].items()}
    facts = {"voicecall.turn": int(wait["turn"]), **shares}
    yield TraceSpan(name="turn", key=key, start_ms=at_ms, end_ms=end_ms, attributes=facts)
    for span in Span:
        ms = spans.get(span.value, 0)
        if ms:
            yield TraceSpan(
                name=span.value,
                key=f"{key} {span}",
                parent=key,
                start_ms=at_ms,
                end_ms=at_ms + ms,
                kind=Kind.CLIENT if OWNERS[span] is Owner.SERVICE else Kind.INTERNAL,
                attributes={"voicecall.owner": OWNERS[span].value, **_more(span, wait.get("tools", ()), of_model)},
            )
        at_ms += ms


def _more(span: Span, tools: Sequence[str], of_model: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
    if span is Span.AGENT_FIRST_TOKEN:
        return of_model
    if span is Span.TOOL and tools:
        return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": " + ".join(tools)}
    return {}


def _model_attributes(response_model: str) -> Mapping[str, Attribute]:
    """What the conventions say of a request to a model; an agent host is an agent, not a model."""
    provider, slash, model = response_model.partition("/")
    if response_model == "openclaw" or provider in {"remote", "echo", ""}:
        return {"gen_ai.operation.name": "invoke_agent"}
    named = {"gen_ai.provider.name": provider} if slash else {}
    return {"gen_ai.operation.name": "chat", "gen_ai.request.model": model if slash else provider, **named}
