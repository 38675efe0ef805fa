"""One step of a call: the state so far, and the effects requested so far.

Pure. All rules are written in these verbs; `decide` opens a step and closes it. The `set_…` verbs replace fields of one
sub-record of the call and are typed, so that a misspelt field is a type error. Knows no meaning of events and effects.
"""

from dataclasses import dataclass, replace
from typing import Self, TypedDict, Unpack

from voicecall.call.effects import (
    AwaitedEffect,
    DropAgent,
    Effect,
    PauseSpeaking,
    Reject,
    Resolve,
    ResumeSpeaking,
    Speak,
    StopSpeaking,
)
from voicecall.call.events import AnsweredBy, EndReason, Failover, Timer
from voicecall.call.ids import EffectId, LegId, RequestId
from voicecall.call.state import (
    Call,
    CallerSpeech,
    EndState,
    Guidance,
    HeldTurn,
    MediaStream,
    Note,
    PendingContinue,
    PendingReply,
    PendingTransfer,
    Phase,
    QueuedDigits,
    RecordingConsent,
    RequestResult,
    SteeredQuestion,
    ToolUse,
    TranscriptEntry,
    Utterance,
    WaitingRequest,
)
from voicecall.call.waits import TurnWait
from voicecall.text.speakable import Speakable

__all__ = [
    "AmdChanges",
    "CallChanges",
    "DtmfChanges",
    "FloorChanges",
    "LegChanges",
    "PlaybackChanges",
    "RecordingChanges",
    "StatsChanges",
    "SteeringChanges",
    "Step",
    "ToolsChanges",
]

_RESULTS_KEPT = 16


class CallChanges(TypedDict, total=False):
    """Fields of `Call` that rules replace directly; the sub-records have verbs of their own."""

    phase: Phase
    ended_at: float
    detail: str
    stream: MediaStream | None
    had_stream: bool
    stream_given_up: bool
    end: EndState | None
    transcript: tuple[TranscriptEntry, ...]
    waiting: tuple[WaitingRequest, ...]
    reactivations: int
    last_event_at: float


class LegChanges(TypedDict, total=False):
    """Fields of `LegState`."""

    id: LegId | None
    provisional: bool
    dial_request: RequestId | None
    answered_at: float | None
    last_signal_at: float
    look_ups: int
    unconfirmed: bool


class FloorChanges(TypedDict, total=False):
    """Fields of `FloorState`."""

    turn: int
    reply: PendingReply | None
    speech: CallerSpeech | None
    held: HeldTurn | None
    interrupted: bool
    reply_cut: bool
    heard_at: float | None
    failures: int
    pending_continue: PendingContinue | None
    stt_down: bool
    language: str
    silent_since: float | None
    wait: TurnWait | None
    pause_s: float | None
    fillers: int
    prompted: bool


class PlaybackChanges(TypedDict, total=False):
    """Fields of `PlaybackState`."""

    utterances: tuple[Utterance, ...]
    made: int
    opening_text: Speakable
    hangup_after: EndReason | None
    sounding_since: float | None
    paused: bool
    cut_off: tuple[Utterance, ...]
    ms_per_character: float
    goes_on: bool


class AmdChanges(TypedDict, total=False):
    """Fields of `AmdState`."""

    result: AnsweredBy | None
    awaiting_beep: bool
    remote_noisy: bool
    message: Speakable


class DtmfChanges(TypedDict, total=False):
    """Fields of `DtmfState`."""

    received: str
    typed: str
    typed_for: RequestId | None
    queued: tuple[QueuedDigits, ...]
    opening: str


class SteeringChanges(TypedDict, total=False):
    """Fields of `SteeringState`."""

    guidance: tuple[Guidance, ...]
    question: SteeredQuestion | None


class RecordingChanges(TypedDict, total=False):
    """Fields of `RecordingState`."""

    consent: RecordingConsent | None
    consent_at: float | None
    since: float | None


class StatsChanges(TypedDict, total=False):
    """Fields of `TurnStats`."""

    last_turn_latency_ms: int | None
    last_listen_wait_ms: int | None
    last_turn_spans: dict[str, int]
    last_turn_saved_ms: int | None
    last_turn_tools: tuple[str, ...]
    last_reply: int
    completed_turns: int
    failovers: tuple[Failover, ...]


class ToolsChanges(TypedDict, total=False):
    """Fields of `ToolsState`."""

    uses: tuple[ToolUse, ...]
    made: int
    notes: tuple[Note, ...]
    transfer: PendingTransfer | None


@dataclass(frozen=True, slots=True)
class Step:
    """`call`: the state so far; `at`: the time of the event that is decided; `effects`: those requested so far."""

    call: Call
    at: float
    effects: tuple[Effect, ...] = ()

    # --- state

    def replace(self, **changes: Unpack[CallChanges]) -> Self:
        """The same step with fields of the call replaced."""
        return self.with_call(replace(self.call, **changes))

    def with_call(self, call: Call) -> Self:
        """The same step with another state."""
        return self.__class__(call, self.at, self.effects)

    def set_leg(self, **changes: Unpack[LegChanges]) -> Self:
        return self.with_call(replace(self.call, leg_state=replace(self.call.leg_state, **changes)))

    def set_floor(self, **changes: Unpack[FloorChanges]) -> Self:
        return self.with_call(replace(self.call, floor=replace(self.call.floor, **changes)))

    def set_playback(self, **changes: Unpack[PlaybackChanges]) -> Self:
        return self.with_call(replace(self.call, playback=replace(self.call.playback, **changes)))

    def set_amd(self, **changes: Unpack[AmdChanges]) -> Self:
        return self.with_call(replace(self.call, amd=replace(self.call.amd, **changes)))

    def set_dtmf(self, **changes: Unpack[DtmfChanges]) -> Self:
        return self.with_call(replace(self.call, dtmf=replace(self.call.dtmf, **changes)))

    def set_steering(self, **changes: Unpack[SteeringChanges]) -> Self:
        return self.with_call(replace(self.call, steering=replace(self.call.steering, **changes)))

    def set_recording(self, **changes: Unpack[RecordingChanges]) -> Self:
        return self.with_call(replace(self.call, recording=replace(self.call.recording, **changes)))

    def set_stats(self, **changes: Unpack[StatsChanges]) -> Self:
        return self.with_call(replace(self.call, stats=replace(self.call.stats, **changes)))

    def set_tools(self, **changes: Unpack[ToolsChanges]) -> Self:
        return self.with_call(replace(self.call, tools=replace(self.call.tools, **changes)))

    def forward(self, phase: Phase) -> Self:
        """Move to a later phase; an earlier one is a late event and changes nothing."""
        here = self.call.phase
        if here.is_over or here is phase or _RANK[phase] < _RANK[here]:
            return self
        return self.replace(phase=phase)

    def ignored(self) -> Self:
        """The event does not fit here: counted, and nothing else happens."""
        return self.with_call(replace(self.call, ignored=self.call.ignored + 1))

    # --- effects

    def request(self, effect: AwaitedEffect) -> Self:
        """Request an effect whose outcome matters: it gets its id and stands in `pending` until settled."""
        number = self.call.effects_made + 1
        numbered = replace(effect, id=EffectId(f"{self.call.id}.{number}"))
        call = replace(self.call, effects_made=number, pending={**self.call.pending, numbered.id: numbered})
        return self.__class__(call, self.at, (*self.effects, numbered))

    def send_again(self, effect: AwaitedEffect) -> Self:
        """Request a pending effect under its own id: it is sent only if that was never claimed."""
        return self.__class__(self.call, self.at, (*self.effects, effect))

    def emit(self, effect: Reject | StopSpeaking | PauseSpeaking | ResumeSpeaking | DropAgent | Resolve) -> Self:
        """Request an effect that has no outcome: it gets its id and is forgotten once it ran."""
        number = self.call.effects_made + 1
        numbered = replace(effect, id=EffectId(f"{self.call.id}.{number}"))
        return self.__class__(replace(self.call, effects_made=number), self.at, (*self.effects, numbered))

    def settle(self, *kinds: type[AwaitedEffect]) -> Self:
        """Remove pending effects of these kinds: their outcome is known or no longer matters."""
        return self._keep({i: e for i, e in self.call.pending.items() if not isinstance(e, kinds)})

    def settle_one(self, effect: EffectId) -> Self:
        """Remove one pending effect."""
        return self._keep({i: e for i, e in self.call.pending.items() if i != effect})

    def settle_speech(self, utterance: int) -> Self:
        """Remove the pending `Speak` of one utterance."""
        return self._keep({i: e for i, e in self.call.pending.items() if not _speaks(e, utterance)})

    def is_pending(self, *kinds: type[AwaitedEffect]) -> bool:
        return any(isinstance(effect, kinds) for effect in self.call.pending.values())

    def is_speech_pending(self, utterance: int) -> bool:
        """Whether a `Speak` of this utterance is pending."""
        return any(_speaks(effect, utterance) for effect in self.call.pending.values())

    def resolve(self, request: RequestId | None, *, ok: bool, text: str = "") -> Self:
        """Answer an API request, if there is one: on the feed, and in the snapshot in case that message is lost."""
        if request is None:
            return self
        results = (*self.call.results, RequestResult(request=request, ok=ok, text=text))[-_RESULTS_KEPT:]
        step = self.emit(Resolve(request=request, ok=ok, text=text))
        return step.with_call(replace(step.call, results=results))

    # --- timers

    def arm(self, timer: Timer, at: float) -> Self:
        """Set a timer, replacing its earlier time."""
        return self.with_call(replace(self.call, timers={**self.call.timers, timer: at}))

    def disarm(self, *timers: Timer) -> Self:
        left = {t: at for t, at in self.call.timers.items() if t not in timers}
        if len(left) == len(self.call.timers):
            return self
        return self.with_call(replace(self.call, timers=left))

    def _keep(self, pending: dict[EffectId, AwaitedEffect]) -> Self:
        if len(pending) == len(self.call.pending):
            return self
        return self.with_call(replace(self.call, pending=pending))


# Speaking and listening alternate, so they share a rank; every end is last.
_RANK = {
    Phase.INITIATED: 0,
    Phase.RINGING: 1,
    Phase.ANSWERED: 2,
    Phase.ACTIVE: 3,
    Phase.SPEAKING: 4,
    Phase.LISTENING: 4,
}


def _speaks(effect: AwaitedEffect, utterance: int) -> bool:
    return isinstance(effect, Speak) and effect.utterance == utterance
