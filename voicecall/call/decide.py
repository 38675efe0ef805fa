"""`decide(call, event) -> (call, effects)`: the next state of a call, and the effects it requests.

Pure and total: no clock, no I/O, no randomness; an event that does not fit is ignored and counted. This file only
routes; the rules are in `leg`, `amd` (answering machines), `hangup`, `stream`, `playback`, `interruption` (who has the
floor), `turns`, `silence`, `requests` (API requests), `steering`, `dtmf`, `tools` and `recovery` (fail-over).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar, cast

from voicecall.call import (
    amd,
    dtmf,
    hangup,
    interruption,
    playback,
    requests,
    silence,
    steering,
    stream,
    tools,
    turns,
)
from voicecall.call import events as e
from voicecall.call import leg as leg_rules
from voicecall.call.effects import Effect
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.call.step import Step

__all__ = ["ENDING", "PROVISIONAL", "ROUTES", "TIMERS", "Rule", "decide", "route"]

E = TypeVar("E", bound=e.Event)

Rule: TypeAlias = Callable[[Step, E], Step]
"""What an event of class E does to a call."""

Routes: TypeAlias = Mapping[type[e.Event], Rule[e.Event]]


def route(event: type[E], rule: Rule[E]) -> tuple[type[e.Event], Rule[e.Event]]:
    """One row of a table of rules. A rule for another event than `event` is a type error."""
    # Sound: a table is only read with the class of the event.
    return cast(type[e.Event], event), cast(Rule[e.Event], rule)


def _of_step(rule: Callable[[Step], Step]) -> Rule[e.Event]:
    """A rule that needs no field of its event."""
    return lambda step, _event: rule(step)


TIMERS: Final[Mapping[e.Timer, Callable[[Step], Step]]] = {
    e.Timer.MAX_DURATION: hangup.max_duration_over,
    e.Timer.STALE: hangup.stale,
    e.Timer.NOTIFY_HANGUP: playback.notice_over,
    e.Timer.OPENING: stream.opening_digits_sent,
    e.Timer.TRANSCRIPT: requests.transcript_overdue,
    e.Timer.RECONNECT: stream.reconnect_overdue,
    e.Timer.LOOK_UP: leg_rules.look_up_due,
    e.Timer.FILLER: tools.agent_slow,
    e.Timer.REPLY: turns.agent_too_late,
    e.Timer.PLAYBACK: playback.playback_overdue,
    e.Timer.UNHEARD: interruption.unheard,
    e.Timer.AMD: amd.amd_overdue,
    e.Timer.GREETING: amd.greeting_overdue,
    e.Timer.RETRY_HANGUP: hangup.retry_hangup_due,
    e.Timer.DIGITS: dtmf.digits_overdue,
    e.Timer.CONFIRM: interruption.sound_lasted,
    e.Timer.RESUME: interruption.resume_due,
    e.Timer.TURN: turns.turn_over,
    e.Timer.SILENCE: silence.silence_over,
    e.Timer.TYPED: dtmf.keys_complete,
    e.Timer.OWNER: tools.owner_silent,
    e.Timer.TRANSFER: tools.transfer_overdue,
}
"""What each timer does when it is due."""


def _timer_fired(step: Step, event: e.TimerFired) -> Step:
    """A timer that was disarmed or moved meanwhile is ignored."""
    due = step.call.timers.get(event.timer)
    if due is None or due > event.at:
        return step.ignored()
    return TIMERS[event.timer](step.disarm(event.timer))


def _answered(step: Step, event: e.Answered) -> Step:
    return _connect_native(step, leg_rules.answered(step, event))


def _greeting_ended(step: Step, event: e.GreetingEnded) -> Step:
    return _connect_native(step, leg_rules.greeting_ended(step, event))


def _connect_native(before: Step, step: Step) -> Step:
    """Where the carrier speaks, there is a way to the caller as soon as the leg is answered."""
    call = step.call
    if before.call.answered_at is not None or call.answered_at is None or not call.is_native or call.is_ending:
        return step
    return stream.connected(step)


def _speak_requested(step: Step, event: e.SpeakRequested) -> Step:
    """An API client wants something said to the caller, or passed on to the agent."""
    return steering.steer_requested(step, event) if event.guidance else requests.speak_requested(step, event)


def _sound(rule: Rule[E], *, noisy: bool) -> Rule[E]:
    """A rule about what the remote party utters. A machine's greeting is only tracked: it is no turn."""

    def tracked(step: Step, event: E) -> Step:
        step = amd.remote_sound(step, noisy=noisy)
        return step.ignored() if step.call.is_machine else rule(step, event)

    return tracked


def _dismissing(rule: Rule[E]) -> Rule[E]:
    """A rule that leaves no sound to be listened to: what follows it is not known any more."""
    return lambda step, event: rule(interruption.dismissed(step), event)


ROUTES: Final[Routes] = dict(
    (
        route(e.Dialled, leg_rules.dialled),
        route(e.DialRefused, leg_rules.dial_refused),
        route(e.DialLost, leg_rules.dial_lost),
        route(e.Ringing, leg_rules.ringing),
        route(e.Answered, _answered),
        route(e.GreetingEnded, _greeting_ended),
        route(e.HungUp, leg_rules.hung_up),
        route(e.Billed, _of_step(lambda step: step)),
        route(e.LegSeen, leg_rules.leg_seen),
        route(e.CommandDone, tools.command_done),
        route(e.CommandFailed, tools.command_failed),
        route(e.EndRequested, hangup.end_requested),
        route(e.DigitsRequested, dtmf.digits_requested),
        route(e.StreamOpened, stream.stream_opened),
        route(e.StreamClosed, _dismissing(stream.stream_closed)),
        route(e.StreamUnusable, stream.stream_unusable),
        route(e.SpeechStarted, _sound(interruption.speech_started, noisy=True)),
        route(e.SpeechStopped, _sound(interruption.speech_stopped, noisy=False)),
        route(e.Heard, _sound(interruption.heard, noisy=False)),
        route(e.SttFailed, _dismissing(turns.stt_failed)),
        route(e.SttLost, _dismissing(_of_step(turns.stt_lost))),
        route(e.SttRecovered, _of_step(turns.stt_recovered)),
        route(e.DtmfReceived, dtmf.dtmf_received),
        route(e.PlaybackBegan, playback.playback_began),
        route(e.PlaybackDone, tools.playback_done),
        route(e.SpeechFailed, turns.speech_failed),
        route(e.AgentSaid, turns.agent_said),
        route(e.AgentDone, tools.agent_done),
        route(e.AgentFailed, turns.agent_failed),
        route(e.SpeakRequested, _speak_requested),
        route(e.ContinueRequested, requests.continue_requested),
        route(e.TimerFired, _timer_fired),
        route(e.Reactivated, _dismissing(tools.reactivated)),
    )
)
"""The rule of every event of a live call. How a call begins is in `_begin`."""

ENDING: Final[Routes] = dict(
    (
        route(e.GreetingEnded, _of_step(Step.ignored)),
        route(e.SpeechStarted, _sound(_of_step(Step.ignored), noisy=True)),
        route(e.Heard, _sound(_of_step(Step.ignored), noisy=False)),
        route(e.SttFailed, _of_step(Step.ignored)),
        route(e.SttLost, _of_step(Step.ignored)),
        route(e.SpeakRequested, requests.refuse),
        route(e.ContinueRequested, requests.refuse),
        route(e.DigitsRequested, requests.refuse),
    )
)
"""The events that have another rule while the call is being hung up: nothing more is said, heard or promised."""

PROVISIONAL: Final[Routes] = dict(
    (
        route(e.Ringing, leg_rules.ringing),
        route(e.Answered, _answered),
        route(e.HungUp, leg_rules.hung_up),
        route(e.EndRequested, hangup.end_requested),
        route(e.SpeakRequested, requests.not_connected),
        route(e.ContinueRequested, requests.not_connected),
        route(e.DigitsRequested, requests.not_connected),
        route(e.TimerFired, _timer_fired),
        route(e.Reactivated, tools.reactivated),
    )
)
"""The events that count for a call of which only events of its leg are known (`leg.provisional`)."""

_SIGNS_OF_LEG = (
    *(e.Ringing, e.Answered, e.GreetingEnded, e.StreamOpened, e.StreamUnusable),
    *(e.SpeechStarted, e.SpeechStopped, e.Heard, e.DtmfReceived, e.PlaybackDone),
)
"""Events that show the leg is alive: while they come, the carrier is not queried."""

_FAILOVERS_KEPT: Final = 32  # more than providers and reasons make

_NAMES_LEG = (e.Dialled, e.Ringing, e.Answered, e.HungUp, e.LegSeen, e.StreamOpened, e.StreamUnusable)
"""Events that may be the first to name the leg (`leg.adopt_leg`)."""


def decide(call: Call | None, event: e.Event, call_id: CallId) -> tuple[Call | None, tuple[Effect, ...]]:
    """Fold one event into a call. `call` is None until something is known of it.

    The effects are to be run only after the returned call is committed, and only those that still stand in
    `Call.pending` when a batch of events was folded together.
    """
    step = _begin(event, call_id) if call is None else _fold(call, event)
    if step is None:
        return None, ()
    if isinstance(event, _SIGNS_OF_LEG) and not (call is not None and _is_foreign(call, event)):
        step = step.set_leg(last_signal_at=step.at)
    return _noted(step, event).replace(last_event_at=step.at).call, step.effects


def _noted(step: Step, event: e.Event) -> Step:
    """Keep for the record who took over from whom. Nothing else depends on it."""
    failover = event.failover if isinstance(event, e.Heard | e.PlaybackBegan | e.AgentSaid) else None
    known = step.call.stats.failovers
    if failover is None or failover in known or len(known) >= _FAILOVERS_KEPT:
        return step
    return step.set_stats(failovers=(*known, failover))


def _begin(event: e.Event, call_id: CallId) -> Step | None:
    """The first event of a call. Events of the leg may overtake `Arrived`; any other is of no call."""
    match event:
        case e.Placed():
            return leg_rules.placed(event, call_id)
        case e.Arrived():
            return leg_rules.arrived(event, None, call_id)
        case e.CallRejected():
            return leg_rules.call_rejected(event, None, call_id)
        case e.Ringing() | e.Answered() | e.HungUp():
            return ROUTES[type(event)](leg_rules.provisional(event.at, event.leg, call_id), event)
        case _:
            return None


def _fold(call: Call, event: e.Event) -> Step:
    event = replace(event, at=max(event.at, call.last_event_at))
    if isinstance(event, e.Arrived) and not call.carrier:
        return leg_rules.arrived(event, call, call.id)
    if isinstance(event, e.CallRejected) and not call.carrier:
        return leg_rules.call_rejected(event, call, call.id)
    step = Step(call, event.at)
    if call.is_over:
        return _after_end(step, event)
    if _is_foreign(call, event):
        return step.ignored()
    rule = (PROVISIONAL if call.is_provisional else ROUTES).get(type(event))
    if call.end is not None:
        rule = ENDING.get(type(event), rule)
    if rule is None:
        return step.ignored()
    return silence.watch(tools.watch(turns.ask_for_operator(dtmf.send_queued_digits(rule(step, event)))))


def _is_foreign(call: Call, event: e.Event) -> bool:
    """An event of another call's leg: misrouted, or forged with a signature of another call."""
    leg = getattr(event, "leg", None)
    if leg is None or leg == call.leg:
        return False
    if isinstance(event, _NAMES_LEG):
        return call.leg is not None and not call.leg_state.provisional
    return True  # transcripts, digits and reports never come before the leg has an id


def _after_end(step: Step, event: e.Event) -> Step:
    """An ended call requests nothing more; API clients are answered that it is over."""
    match event:
        case e.EndRequested(request=request):
            return step.resolve(request, ok=True)
        case e.CommandDone(request=request) if request is not None:
            return step.resolve(request, ok=False, text="Call has ended")
        case (
            e.SpeakRequested(request=request)
            | e.ContinueRequested(request=request)
            | e.DigitsRequested(request=request)
        ):
            return step.resolve(request, ok=False, text="Call has ended")
        case _:
            return step.ignored()
