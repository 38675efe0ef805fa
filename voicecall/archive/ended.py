"""The record of an ended call: the record of its snapshot, and what only its log holds (turn times, cost).

Pure. The times of each turn come from folding the log again: the snapshot holds only the last ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from voicecall.api.results import CallRecord
from voicecall.call.decide import decide
from voicecall.call.events import Billed, Event
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.call.waits import ms_by_owner

__all__ = ["cost_facts", "ended_record", "replayed", "turns_of"]


def ended_record(call: Call, history: Sequence[Event] = ()) -> dict[str, Any]:
    """The call's record, with more in `metadata`: the times of every turn (`turns`), what the wait for each
    reply was made of (`turnSpans`), and the cost facts.

    `billedSeconds`, `price` and `currency` are there as far as the carrier has reported them.
    """
    record = CallRecord.of(call).payload()
    found = {name: values for name, values in turns_of(call, history).items() if values}
    record["metadata"] |= {**cost_facts(call, history), **found}
    return record


def replayed(call: CallId, history: Iterable[Event]) -> Call | None:
    """The call folded from its log alone; None when the events begin no call."""
    state: Call | None = None
    for event in history:
        state, _ = decide(state, event, call)
    return state


def cost_facts(call: Call, history: Iterable[Event]) -> dict[str, Any]:
    """What the carrier charged for this leg: the newest value of each kind."""
    facts: dict[str, Any] = {}
    for event in history:
        if isinstance(event, Billed) and event.leg in {None, call.leg}:
            reported = {"billedSeconds": event.seconds, "price": event.price, "currency": event.currency}
            facts |= {key: value for key, value in reported.items() if value is not None}
    return facts


def turns_of(call: Call, history: Iterable[Event]) -> dict[str, list[dict[str, Any]]]:
    """`turns`: for each turn `at` (epoch ms), `turn`, and the times measured. `turnSpans`: see `waits`, for each reply.

    `latencyMs` is how long the caller waited for us, `listenWaitMs` how long a `continue` waited for the caller.
    """
    state: Call | None = None
    times: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for event in history:
        if state is not None:
            # No decision depends on these, so a value that is there afterwards was measured at this event.
            stats = replace(state.stats, last_turn_latency_ms=None, last_listen_wait_ms=None, last_turn_spans={})
            state = replace(state, stats=stats)
        state, _ = decide(state, event, call.id)
        if state is None:
            continue
        if state.stats.last_turn_spans:
            spans.append(_wait_of(state))
        measured = {"latencyMs": state.stats.last_turn_latency_ms, "listenWaitMs": state.stats.last_listen_wait_ms}
        found = {key: value for key, value in measured.items() if value is not None}
        if found and times and times[-1]["turn"] == state.turn and not found.keys() & times[-1].keys():
            times[-1] |= found  # what is said next after a `continue` belongs to the turn that answered it
        elif found:
            times.append({"at": round(state.last_event_at * 1000), "turn": state.turn, **found})
    return {"turns": times, "turnSpans": spans}


def _wait_of(call: Call) -> dict[str, Any]:
    """The wait that ended with the newest event."""
    spans, tools = call.stats.last_turn_spans, call.stats.last_turn_tools
    wait = {"at": round(call.last_event_at * 1000), "turn": call.turn, "spans": spans, "owners": ms_by_owner(spans)}
    saved_ms = call.stats.last_turn_saved_ms
    wait |= {"savedMs": saved_ms} if saved_ms is not None else {}
    return {**wait, "tools": list(tools)} if tools else wait
