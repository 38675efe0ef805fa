"""One step of a call in the making: the state so far, and what it has asked for.

Pure. `control`, `turns` and `recovery` are written in these few verbs; `decide` opens a step and closes it. Knows
nothing of what an event or an effect means.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

from voicecall.call.effects import AwaitedEffect, DropAgent, Effect, Reject, Resolve, StopSpeaking
from voicecall.call.events import Timer
from voicecall.call.ids import EffectId, RequestId
from voicecall.call.state import Call, Phase, RequestResult

__all__ = ["Step"]

_RESULTS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Step:
    """`call` is the state this far; `effects` what was asked for; `at` the time of the event that is being decided."""

    call: Call
    at: float
    effects: tuple[Effect, ...] = ()

    def replace(self, **changes: Any) -> Self:
        """The same step with fields of the call replaced."""
        return replace(self, call=replace(self.call, **changes))

    def ignored(self) -> Self:
        """The event does not fit here: counted, and nothing else happens."""
        return self.replace(ignored=self.call.ignored + 1)

    def request(self, effect: AwaitedEffect) -> Self:
        """Ask for an effect whose outcome matters: it gets its id and stands in `pending` until settled."""
        step, effect_id = self._next_id()
        numbered = replace(effect, id=effect_id)
        pending = {**step.call.pending, numbered.id: numbered}
        return replace(step.replace(pending=pending), effects=(*step.effects, numbered))

    def emit(self, effect: Reject | StopSpeaking | DropAgent | Resolve) -> Self:
        """Ask for an effect that has no outcome: it gets its id and is forgotten once it ran."""
        step, effect_id = self._next_id()
        return replace(step, effects=(*step.effects, replace(effect, id=effect_id)))

    def settle(self, *kinds: type[Effect], **fields: Any) -> Self:
        """Forget pending effects of these kinds whose fields are as given: their outcome is known or moot."""
        left = {i: e for i, e in self.call.pending.items() if not _matches(e, kinds, fields)}
        return self if len(left) == len(self.call.pending) else self.replace(pending=left)

    def is_pending(self, *kinds: type[Effect], **fields: Any) -> bool:
        return any(_matches(effect, kinds, fields) for effect in self.call.pending.values())

    def arm(self, timer: Timer, at: float) -> Self:
        """Set an alarm, moving it if it stands already."""
        return self.replace(timers={**self.call.timers, timer: at})

    def disarm(self, *timers: Timer) -> Self:
        left = {t: at for t, at in self.call.timers.items() if t not in timers}
        return self if len(left) == len(self.call.timers) else self.replace(timers=left)

    def resolve(self, request: RequestId | None, *, ok: bool, text: str = "") -> Self:
        """RequestResult a local caller, if there is one: on the feed, and in the snapshot for those who missed it."""
        if request is None:
            return self
        results = (*self.call.results, RequestResult(request=request, ok=ok, text=text))[-_RESULTS_KEPT:]
        return self.emit(Resolve(request=request, ok=ok, text=text)).replace(results=results)

    def forward(self, phase: Phase) -> Self:
        """Move to a later phase; an earlier one is late news and changes nothing (behaviour 3.1)."""
        here = self.call.phase
        if here.is_over or here is phase or _RANK[phase] < _RANK[here]:
            return self
        return self.replace(phase=phase)

    def _next_id(self) -> tuple[Self, EffectId]:
        number = self.call.effects_made + 1
        return self.replace(effects_made=number), EffectId(f"{self.call.id}.{number}")


# Speaking and listening take turns, so they share a rank; every end is last.
_RANK = {
    Phase.INITIATED: 0,
    Phase.RINGING: 1,
    Phase.ANSWERED: 2,
    Phase.ACTIVE: 3,
    Phase.SPEAKING: 4,
    Phase.LISTENING: 4,
}


def _matches(effect: Effect, kinds: tuple[type[Effect], ...], fields: dict[str, Any]) -> bool:
    return isinstance(effect, kinds) and all(getattr(effect, name) == value for name, value in fields.items())
