"""The report of an ended call: one document with what came of it.

Pure. Facts come from the call and its log; `data` is what a model found in the transcript by a schema, or `unfilled`
says why there is none. The document is made once and never changes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from voicecall.call.events import Billed, Event, Placed
from voicecall.call.ids import CallId
from voicecall.call.outcome import ReachedBy, Services, reached_by, result_of, used
from voicecall.call.state import Call, Direction
from voicecall.reports.cost import cost_of
from voicecall.settings import Settings

__all__ = ["Filled", "report_id", "report_of", "schema_of"]

_PROMISE: Final = "promise"  # notes of this name, and of names that begin with it, are promises


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a model made of the schema. `data` None: `unfilled` says why. `tokens`: in and out, where reported."""

    data: dict[str, Any] | None = field(default=None, repr=False)
    unfilled: str = ""
    tokens: tuple[int, int] | None = None


def report_id(call: CallId) -> str:
    """The id of a call's only report: what a receiver recognises a repetition by."""
    return f"report_{call}"


def schema_of(call: Call, history: Iterable[Event], settings: Settings) -> dict[str, Any] | None:
    """The schema of the call's data: of the request that placed it, or of the number that was called; None: none."""
    if call.direction is Direction.INBOUND:
        return settings.on_route(call.route).reports.form
    asked = next((event.report_schema for event in history if isinstance(event, Placed)), "")
    found = json.loads(asked) if asked else None
    return found if isinstance(found, dict) else None


def report_of(
    call: Call,
    history: Sequence[Event],
    *,
    at: float,
    settings: Settings,
    filled: Filled | None = None,
) -> dict[str, Any]:
    """The report of a call that is over, made at `at` (epoch seconds). Without `filled` no data was asked for."""
    settings = settings.on_route(call.route)
    noted = [{"name": note.name, "value": note.value} for note in call.tools.notes]
    by = reached_by(call)
    report = {
        "reportId": report_id(call.id),
        "callId": call.id,
        "at": round(at * 1000),
        "direction": call.direction.value,
        "provider": call.carrier,
        "from": call.from_ or "unknown",
        "to": call.to or "unknown",
        "mode": call.mode.value,
        "agentId": call.agent_id,
        "sessionKey": call.session_key or None,
        "reached": by is not ReachedBy.NONE,
        "reachedBy": by.value,
        "result": result_of(call).value,
        "endReason": None if call.end_reason is None else call.end_reason.value,
        "detail": call.detail or None,
        "startedAt": _ms(call.started_at),
        "answeredAt": _ms(call.answered_at),
        "endedAt": _ms(call.ended_at),
        "turns": call.stats.completed_turns,
        "facts": [note for note in noted if not _is_promise(note)],
        "promised": [note["value"] for note in noted if _is_promise(note)],
        "data": None if filled is None else filled.data,
        "unfilled": None if filled is None or filled.data is not None else filled.unfilled,
        "cost": _cost(call, history, settings, filled),
        "transcript": _transcript(call) if settings.reports.transcript else None,
    }
    return {key: value for key, value in report.items() if value is not None}


def _cost(call: Call, history: Sequence[Event], settings: Settings, filled: Filled | None) -> dict[str, Any]:
    reports = settings.reports
    parts = list(used(call, history, _services(settings)))
    cost = cost_of(
        parts,
        carrier=call.carrier,
        billed=_billed(call, history),
        connected_s=max(0.0, (call.ended_at or 0.0) - call.answered_at) if call.answered_at is not None else 0.0,
        rates=reports.rates,
        currency=reports.currency,
    )
    if filled is not None and filled.tokens is not None:
        cost["report"] = {"tokensIn": filled.tokens[0], "tokensOut": filled.tokens[1]}
    return cost


def _billed(call: Call, history: Iterable[Event]) -> Mapping[str, Any]:
    """What the carrier has reported of this leg: the newest value of each kind."""
    facts: dict[str, Any] = {}
    for event in history:
        if isinstance(event, Billed) and event.leg in {None, call.leg}:
            reported = {"billedSeconds": event.seconds, "price": event.price, "currency": event.currency}
            facts |= {key: value for key, value in reported.items() if value is not None}
    return facts


def _services(settings: Settings) -> Services:
    voices, recognisers = settings.tts.voices, settings.streaming.recognisers
    return Services(
        stt=recognisers[0] if settings.streaming.enabled and recognisers else "",
        tts=voices[0] if settings.streaming.enabled and voices else "",
        model=settings.response_model,
    )


def _transcript(call: Call) -> list[dict[str, Any]]:
    return [{"timestamp": _ms(line.at), "speaker": line.speaker.value, "text": line.text} for line in call.transcript]


def _is_promise(note: Mapping[str, str]) -> bool:
    return note["name"].lower().startswith(_PROMISE)


def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)
