"""`decide(call, event) -> (call, effects)`: what a call becomes, and what it asks for, when something happens.

Pure and total: no clock, no I/O, no randomness; whatever the network repeats, reorders or invents is ignored and
counted. This file only routes; the rules are in
`control` (the leg), `machines` (who picked up), `ending`, `stream`, `voice`, `turns` (the floor), `asks` (local
callers) and `recovery`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from voicecall.call import amd, dtmf, hangup, playback, recovery, requests, stream, turns
from voicecall.call import events as e
from voicecall.call import leg as leg_rules
from voicecall.call.effects import Effect
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.call.step import Step

__all__ = ["ROUTES", "TIMERS", "decide"]

Rule = Callable[[Step, Any], Step]


def _of_step(rule: Callable[[Step], Step]) -> Rule:
    """A rule that needs to know only that the event happened."""
    return lambda step, _event: rule(step)


TIMERS: Final[Mapping[e.Timer, Callable[[Step], Step]]] = {
    e.Timer.MAX_DURATION: hangup.max_duration_over,
    e.Timer.STALE: hangup.stale,
    e.Timer.NOTIFY_HANGUP: playback.notice_over,
    e.Timer.OPENING: stream.opening_digits_sent,
    e.Timer.TRANSCRIPT: requests.transcript_overdue,
    e.Timer.RECONNECT: stream.reconnect_overdue,
    e.Timer.LOOK_UP: leg_rules.look_up_due,
    e.Timer.FILLER: turns.agent_slow,
    e.Timer.REPLY: turns.agent_too_late,
    e.Timer.PLAYBACK: playback.playback_overdue,
    e.Timer.UNHEARD: turns.unheard,
    e.Timer.AMD: amd.amd_overdue,
    e.Timer.GREETING: amd.greeting_overdue,
    e.Timer.RETRY_HANGUP: hangup.retry_hangup_due,
    e.Timer.DIGITS: dtmf.digits_overdue,
}


def _timer_fired(step: Step, event: e.TimerFired) -> Step:
    """An alarm that does not stand any more, or was moved, is old news."""
    due = step.call.timers.get(event.timer)
    if due is None or due > event.at:
        return step.ignored()
    return TIMERS[event.timer](step.disarm(event.timer))


def _answered(step: Step, event: e.Answered) -> Step:
    was_answered = step.call.answered_at is not None
    return _connected_at_last(leg_rules.answered(step, event), was_answered=was_answered)


def _greeting_ended(step: Step, event: e.GreetingEnded) -> Step:
    was_answered = step.call.answered_at is not None
    return _connected_at_last(leg_rules.greeting_ended(step, event), was_answered=was_answered)


def _connected_at_last(step: Step, *, was_answered: bool) -> Step:
    """Where the carrier speaks for us, an answer is the way to the ear."""
    call = step.call
    if was_answered or call.answered_at is None or not call.is_native or call.ending is not None:
        return step
    return stream.connected(step)


def _sound(rule: Rule, *, remote_noisy: bool) -> Rule:
    """A rule about what the other side utters. A machine's greeting is remote_sound, and is nobody's turn."""

    def tracked(step: Step, event: e.Event) -> Step:
        step = amd.remote_sound(step, noisy=remote_noisy)
        return step.ignored() if step.call.is_machine else rule(step, event)

    return tracked


ROUTES: Final[Mapping[type[e.Event], Rule]] = {
    e.Dialled: leg_rules.dialled,
    e.DialRefused: leg_rules.dial_refused,
    e.DialLost: leg_rules.dial_lost,
    e.Ringing: leg_rules.ringing,
    e.Answered: _answered,
    e.GreetingEnded: _greeting_ended,
    e.HungUp: leg_rules.hung_up,
    e.Billed: _of_step(lambda step: step),
    e.LegSeen: leg_rules.leg_seen,
    e.CommandDone: dtmf.command_settled,
    e.CommandFailed: dtmf.command_settled,
    e.EndRequested: hangup.end_requested,
    e.DigitsRequested: dtmf.digits_requested,
    e.StreamOpened: stream.stream_opened,
    e.StreamClosed: stream.stream_closed,
    e.SpeechStarted: _sound(_of_step(turns.speech_started), remote_noisy=True),
    e.SpeechStopped: _sound(_of_step(turns.speech_stopped), remote_noisy=False),
    e.Heard: _sound(turns.heard, remote_noisy=False),
    e.SttFailed: turns.stt_failed,
    e.SttLost: _of_step(turns.stt_lost),
    e.SttRecovered: _of_step(turns.stt_recovered),
    e.DtmfReceived: dtmf.dtmf_received,
    e.PlaybackBegan: playback.playback_began,
    e.PlaybackDone: playback.playback_done,
    e.SpeechFailed: turns.speech_failed,
    e.AgentSaid: turns.agent_said,
    e.AgentDone: turns.agent_done,
    e.AgentFailed: turns.agent_failed,
    e.SpeakRequested: requests.speak_requested,
    e.ContinueRequested: requests.continue_requested,
    e.TimerFired: _timer_fired,
    e.Reactivated: _of_step(recovery.reactivated),
}
"""Every event a living call can meet, and its rule. The three births are in `_first_event`."""

_SIGNALS = (
    *(e.Ringing, e.Answered, e.GreetingEnded, e.StreamOpened),
    *(e.SpeechStarted, e.SpeechStopped, e.Heard, e.DtmfReceived, e.PlaybackDone),
)
"""Signs of life of the leg: while they come, the carrier need not be asked."""

_NAMES_LEG = (e.Dialled, e.Ringing, e.Answered, e.HungUp, e.LegSeen, e.StreamOpened)
"""Whoever tells us one of these may be the first to name the leg (`control.adopt_leg`)."""


def decide(call: Call | None, event: e.Event, call_id: CallId) -> tuple[Call | None, tuple[Effect, ...]]:
    """Fold one event into a call. `call` is None until something is known of it.

    The effects are to be run only after the returned call is committed, and only those that still stand in
    `Call.pending` when a batch of events was folded together.
    """
    step = _first_event(event, call_id) if call is None else _lived(call, event)
    if step is None:
        return None, ()
    if isinstance(event, _SIGNALS) and not (call is not None and _is_foreign(call, event)):
        step = step.replace(last_signal_at=step.at)
    return step.replace(last_event_at=step.at).call, step.effects


def _first_event(event: e.Event, call_id: CallId) -> Step | None:
    """The first news of a call. Facts about a leg may overtake its arrival; anything else is about nothing."""
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


def _lived(call: Call, event: e.Event) -> Step:
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
    rule = ROUTES.get(type(event))
    return step.ignored() if rule is None else dtmf.send_queued_digits(rule(step, event))


def _is_foreign(call: Call, event: e.Event) -> bool:
    """News of a leg that is not this call's: misrouted, or forged with a signature of another call."""
    leg = getattr(event, "leg", None)
    if leg is None or leg == call.leg:
        return False
    if isinstance(event, _NAMES_LEG):
        return call.leg is not None and not call.leg_is_provisional
    return True  # words, keys and reports never come before the leg was named


def _after_end(step: Step, event: e.Event) -> Step:
    """An ended call asks for nothing more; local callers learn that it is over."""
    match event:
        case e.EndRequested(request=request):
            return step.resolve(request, ok=True)
        case (
            e.SpeakRequested(request=request)
            | e.ContinueRequested(request=request)
            | e.DigitsRequested(request=request)
        ):
            return step.resolve(request, ok=False, text="Call has ended")
        case _:
            return step.ignored()
