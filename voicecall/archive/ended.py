"""What of a call that is over is worth keeping: the documented record, and the facts its log tells beside it.

Pure. The times of each turn are found by folding the log once more: the snapshot knows only the last ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from voicecall.api.results import CallRecord
from voicecall.call.decide import decide
from voicecall.call.events import Billed, Event
from voicecall.call.ids import CallId
from voicecall.call.state import Call

__all__ = ["cost_facts", "ended_record", "retold", "turn_times"]


def ended_record(call: Call, history: Sequence[Event] = ()) -> dict[str, Any]:
    """The record of behaviour 2.1, and in `metadata` what else is known: `turns`, the times of every turn;
    `billedSeconds`, `price` and `currency`, as far as the carrier told.
    """
    record = CallRecord.of(call).payload()
    times = turn_times(call, history)
    record["metadata"] |= {**cost_facts(call, history), **({"turns": times} if times else {})}
    return record


def retold(call: CallId, history: Iterable[Event]) -> Call | None:
    """The call as its log tells it, without a snapshot; None when the log tells of none."""
    state: Call | None = None
    for event in history:
        state, _ = decide(state, event, call)
    return state


def cost_facts(call: Call, history: Iterable[Event]) -> dict[str, Any]:
    """What the carrier charged: the newest word of each kind, about this leg."""
    facts: dict[str, Any] = {}
    for event in history:
        if isinstance(event, Billed) and event.leg in {None, call.leg}:
            told = {"billedSeconds": event.seconds, "price": event.price, "currency": event.currency}
            facts |= {key: value for key, value in told.items() if value is not None}
    return facts


def turn_times(call: Call, history: Iterable[Event]) -> list[dict[str, int]]:
    """`at`, `turn`, and what was measured then: `latencyMs`, `listenWaitMs`."""
    state: Call | None = None
    times = []
    for event in history:
        if state is not None:
            # They decide nothing; so a value that is there afterwards was measured at this event.
            stats = replace(state.stats, last_turn_latency_ms=None, last_listen_wait_ms=None)
            state = replace(state, stats=stats)
        state, _ = decide(state, event, call.id)
        if state is not None and state.stats.last_turn_latency_ms is not None:
            measured = {
                "at": round(state.last_event_at * 1000),
                "turn": state.turn,
                "latencyMs": state.stats.last_turn_latency_ms,
                "listenWaitMs": state.stats.last_listen_wait_ms,
            }
            times.append({key: value for key, value in measured.items() if value is not None})
    return times
