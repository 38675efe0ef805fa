"""Folds the events that wait through `decide` and collects what one commit needs: state, effects, results.

Pure: the call actor gathers the events and commits the result. An event on which `decide` raises is left out and
reported as poison, so that one bad record never ends its call (guarantee P17).
"""

from dataclasses import dataclass
from typing import Final

from actors.context import Decide
from voicecall.call.effects import AwaitedEffect, Effect, Resolve
from voicecall.call.events import Event
from voicecall.call.ids import CallId, Seq
from voicecall.call.state import Call, RequestResult
from voicecall.ports import Record

__all__ = ["Folded", "Poison", "fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """An event on which `decide` raised. `seq` is None for an event of this activation, which has none yet."""

    event: Event
    seq: Seq | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A step that is not committed yet. `call` is None while the log holds no event that begins a call."""

    call: Call | None
    applied: Seq
    fresh: tuple[Record, ...]
    own: tuple[Event, ...]
    effects: tuple[Effect, ...]
    resolved: tuple[RequestResult, ...]
    poison: tuple[Poison, ...]


def fold(
    decide: Decide,
    call_id: CallId,
    call: Call | None,
    *,
    applied: Seq,
    posted: tuple[Record, ...],
    own: tuple[Event, ...],
) -> Folded:
    """Fold the posted records in the order of the log, then the own events in the order they happened."""
    fresh: list[Record] = []
    kept: list[Event] = []
    effects: list[Effect] = []
    poison: list[Poison] = []
    for seq, event in [*((r.seq, r.event) for r in posted), *((_OWN, e) for e in own)]:
        try:
            call, requested = decide(call, event, call_id)
        except Exception as error:  # noqa: BLE001  whatever it is, it may cost this event only
            poison.append(Poison(event=event, seq=seq or None, reason=f"{type(error).__name__}: {error}"))
            continue
        effects += requested
        if seq:
            fresh.append(Record(seq=seq, event=event))
        else:
            kept.append(event)
    return Folded(
        call=call,
        applied=posted[-1].seq if posted else applied,
        fresh=tuple(fresh),
        own=tuple(kept),
        effects=_still_pending(call, effects),
        resolved=tuple(
            RequestResult(request=effect.request, ok=effect.ok, text=effect.text)
            for effect in effects
            if isinstance(effect, Resolve)
        ),
        poison=tuple(poison),
    )


_OWN: Final = Seq(0)  # seqs of the log begin at 1


def _still_pending(call: Call | None, effects: list[Effect]) -> tuple[Effect, ...]:
    """Each effect once, without those that a later event of the same step has settled already.

    After a crash the rest of the log and the recovery may both request one pending effect, or the recovery may replace
    a dial that never ran by a look-up; what counts is what is pending at the end of the step.
    """
    wanted: dict[str, Effect] = {}
    for effect in effects:
        if isinstance(effect, Resolve):
            continue
        if not isinstance(effect, AwaitedEffect) or (call is not None and effect.id in call.pending):
            wanted[effect.id] = effect
    return tuple(wanted.values())
