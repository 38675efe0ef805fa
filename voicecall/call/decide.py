"""`decide(call, event) -> (call, effects)`: what a call becomes, and what it asks for, when something happens.

Pure and total: no clock, no I/O, no randomness; whatever the network repeats, reorders or invents is ignored and
counted. This file only routes; the rules are in
`control` (the leg), `machines` (who picked up), `ending`, `stream`, `voice`, `turns` (the floor), `asks` (local
callers) and `recovery`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from voicecall.call import asks, control, ending, machines, recovery, stream, turns, voice
from voicecall.call import events as e
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
    e.Timer.MAX_DURATION: ending.max_duration_over,
    e.Timer.STALE: ending.stale,
    e.Timer.NOTIFY_HANGUP: voice.notice_over,
    e.Timer.OPENING: stream.keys_heard,
    e.Timer.TRANSCRIPT: asks.transcript_overdue,
    e.Timer.RECONNECT: stream.never_came_back,
    e.Timer.LOOK_UP: control.look_up_due,
    e.Timer.FILLER: turns.agent_slow,
    e.Timer.REPLY: turns.agent_too_late,
    e.Timer.PLAYBACK: voice.playback_overdue,
    e.Timer.UNHEARD: turns.unheard,
    e.Timer.VERDICT: machines.verdict_overdue,
    e.Timer.GREETING: machines.greeting_overdue,
    e.Timer.RETRY_HANGUP: ending.retry_hangup_due,
    e.Timer.KEYS: asks.keys_overdue,
}


def _timer_fired(step: Step, event: e.TimerFired) -> Step:
    """An alarm that does not stand any more, or was moved, is old news."""
    due = step.call.timers.get(event.timer)
    if due is None or due > event.at:
        return step.ignored()
    return TIMERS[event.timer](step.disarm(event.timer))


def _answered(step: Step, event: e.Answered) -> Step:
    was_answered = step.call.answered_at is not None
    return _connected_at_last(control.answered(step, event), was_answered=was_answered)


def _greeting_ended(step: Step, event: e.GreetingEnded) -> Step:
    was_answered = step.call.answered_at is not None
    return _connected_at_last(control.greeting_ended(step, event), was_answered=was_answered)


def _connected_at_last(step: Step, *, was_answered: bool) -> Step:
    """Where the carrier speaks for us, an answer is the way to the ear."""
    call = step.call
    if was_answered or call.answered_at is None or not call.is_native or call.ending is not None:
        return step
    return stream.connected(step)


def _sound(rule: Rule, *, noisy: bool) -> Rule:
    """A rule about what the other side utters. A machine's greeting is followed, and is nobody's turn."""

    def followed(step: Step, event: e.Event) -> Step:
        step = machines.followed(step, noisy=noisy)
        return step.ignored() if step.call.is_machine else rule(step, event)

    return followed


ROUTES: Final[Mapping[type[e.Event], Rule]] = {
    e.Dialled: control.dialled,
    e.DialRefused: control.dial_refused,
    e.DialLost: control.dial_lost,
    e.Ringing: control.ringing,
    e.Answered: _answered,
    e.GreetingEnded: _greeting_ended,
    e.HungUp: control.hung_up,
    e.Billed: _of_step(lambda step: step),
    e.LegSeen: control.leg_seen,
    e.CommandDone: asks.keys_settled,
    e.CommandFailed: asks.keys_settled,
    e.EndAsked: ending.end_asked,
    e.DigitsAsked: asks.digits_asked,
    e.StreamOpened: stream.stream_opened,
    e.StreamClosed: stream.stream_closed,
    e.SpeechStarted: _sound(_of_step(turns.speech_started), noisy=True),
    e.SpeechStopped: _sound(_of_step(turns.speech_stopped), noisy=False),
    e.Heard: _sound(turns.heard, noisy=False),
    e.HearingFailed: turns.hearing_failed,
    e.HearingLost: _of_step(turns.hearing_lost),
    e.HearingBack: _of_step(turns.hearing_back),
    e.Keyed: turns.keyed,
    e.PlaybackBegan: voice.playback_began,
    e.PlaybackDone: voice.playback_done,
    e.SpeechFailed: turns.speech_failed,
    e.AgentSaid: turns.agent_said,
    e.AgentDone: turns.agent_done,
    e.AgentFailed: turns.agent_failed,
    e.SpeakAsked: asks.speak_asked,
    e.ContinueAsked: asks.continue_asked,
    e.TimerFired: _timer_fired,
    e.Reactivated: _of_step(recovery.reactivated),
}
"""Every event a living call can meet, and its rule. The three births are in `_born`."""

_NEWS = (
    *(e.Ringing, e.Answered, e.GreetingEnded, e.StreamOpened),
    *(e.SpeechStarted, e.SpeechStopped, e.Heard, e.Keyed, e.PlaybackDone),
)
"""Signs of life of the leg: while they come, the carrier need not be asked."""

_NAMES_LEG = (e.Dialled, e.Ringing, e.Answered, e.HungUp, e.LegSeen, e.StreamOpened)
"""Whoever tells us one of these may be the first to name the leg (`control.adopt_leg`)."""


def decide(call: Call | None, event: e.Event, call_id: CallId) -> tuple[Call | None, tuple[Effect, ...]]:
    """Fold one event into a call. `call` is None until something is known of it.

    The effects are to be run only after the returned call is committed, and only those that still stand in
    `Call.pending` when a batch of events was folded together.
    """
    step = _born(event, call_id) if call is None else _lived(call, event)
    if step is None:
        return None, ()
    if isinstance(event, _NEWS) and not (call is not None and _is_foreign(call, event)):
        step = step.having(news_at=step.at)
    return step.having(seen_at=step.at).call, step.effects


def _born(event: e.Event, call_id: CallId) -> Step | None:
    """The first news of a call. Facts about a leg may overtake its arrival; anything else is about nothing."""
    match event:
        case e.Placed():
            return control.placed(event, call_id)
        case e.Arrived():
            return control.arrived(event, None, call_id)
        case e.TurnedAway():
            return control.turned_away(event, None, call_id)
        case e.Ringing() | e.Answered() | e.HungUp():
            return ROUTES[type(event)](control.provisional(event.at, event.leg, call_id), event)
        case _:
            return None


def _lived(call: Call, event: e.Event) -> Step:
    event = replace(event, at=max(event.at, call.seen_at))
    if isinstance(event, e.Arrived) and not call.carrier:
        return control.arrived(event, call, call.id)
    if isinstance(event, e.TurnedAway) and not call.carrier:
        return control.turned_away(event, call, call.id)
    step = Step(call, event.at)
    if call.is_over:
        return _epilogue(step, event)
    if _is_foreign(call, event):
        return step.ignored()
    rule = ROUTES.get(type(event))
    return step.ignored() if rule is None else asks.press_keys(rule(step, event))


def _is_foreign(call: Call, event: e.Event) -> bool:
    """News of a leg that is not this call's: misrouted, or forged with a signature of another call."""
    leg = getattr(event, "leg", None)
    if leg is None or leg == call.leg:
        return False
    if isinstance(event, _NAMES_LEG):
        return call.leg is not None and not call.leg_is_provisional
    return True  # words, keys and reports never come before the leg was named


def _epilogue(step: Step, event: e.Event) -> Step:
    """An ended call asks for nothing more; local callers learn that it is over."""
    match event:
        case e.EndAsked(request=request):
            return step.resolve(request, ok=True)
        case e.SpeakAsked(request=request) | e.ContinueAsked(request=request) | e.DigitsAsked(request=request):
            return step.resolve(request, ok=False, text="Call has ended")
        case _:
            return step.ignored()
