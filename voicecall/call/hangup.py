"""How a call ends: by our hang-up, by the carrier, or by its timers; once, with every waiting request answered.

Pure. A hang-up is over when the carrier confirms it; until then it is repeated, because a live leg costs money. Knows
no speech, agents or sockets.
"""

from dataclasses import replace
from typing import assert_never

from voicecall.call import transcript
from voicecall.call.effects import (
    Answer,
    AskAgent,
    AskOwner,
    AwaitBeep,
    Dial,
    DropAgent,
    FindLeg,
    HangUp,
    LookUp,
    OpenStream,
    RunTool,
    SendDigits,
    Speak,
    StopSpeaking,
    Transfer,
)
from voicecall.call.events import CommandDone, CommandFailed, EndReason, EndRequested, Timer
from voicecall.call.ids import LegId
from voicecall.call.state import EndState, Phase, Utterance
from voicecall.call.step import Step

__all__ = [
    "command_done",
    "command_failed",
    "end_requested",
    "fail_waiting",
    "finalise",
    "hang_up",
    "max_duration_over",
    "retry_hangup_due",
    "send_hangup",
    "stale",
]

_OF_CONVERSATION = (
    *(Timer.FILLER, Timer.REPLY, Timer.UNHEARD, Timer.AMD, Timer.GREETING),
    *(Timer.CONFIRM, Timer.RESUME, Timer.TURN, Timer.SILENCE, Timer.TYPED, Timer.OWNER, Timer.TRANSFER),
)
"""Timers that mean nothing once the call is being hung up."""

_HANGUP_TRIES = 3  # before the waiting requests are refused
_UNKNOWN_LEG = "a leg was reported that no known call has"
_HANGUP_RETRY_S = 30.0  # between tries after that, without limit


def end_requested(step: Step, event: EndRequested) -> Step:
    """An API client ends the call; several such requests share one hang-up."""
    end = step.call.end
    if end is None:
        return _begin(step, EndState(reason=EndReason.HANGUP_BOT, waiters=(event.request,)))
    waiters = (*end.waiters, event.request)
    leg = step.call.leg
    if leg is None or step.is_pending(HangUp):
        return step.replace(end=replace(end, waiters=waiters))
    return send_hangup(step.replace(end=replace(end, waiters=waiters, tries=0)).disarm(Timer.RETRY_HANGUP), leg)


def hang_up(step: Step, reason: EndReason) -> Step:
    """End the call. It is over when the carrier confirms, or at once when there is no leg."""
    return step if step.call.is_ending else _begin(step, EndState(reason=reason))


def _begin(step: Step, end: EndState) -> Step:
    if step.call.is_provisional:
        return finalise(step.replace(end=end, detail=_UNKNOWN_LEG), end.reason)
    step = step.replace(end=end).set_playback(hangup_after=None, cut_off=()).set_amd(awaiting_beep=False)
    step = step.set_floor(held=None).disarm(*_OF_CONVERSATION)
    step = fail_waiting(step, f"Call ended: {end.reason}")
    call = step.call
    if call.reply_due:
        step = step.settle(AskAgent).emit(DropAgent(turn=call.turn)).set_floor(reply=None)
    if call.is_speaking:
        step = _silence(step, end.reason)
    if call.leg is not None:
        return send_hangup(step, call.leg)
    # A dial in flight may still become a leg: `leg.adopt_leg` hangs it up as soon as it has an id.
    return step if step.is_pending(Dial, FindLeg) else finalise(step, end.reason)


def fail_waiting(step: Step, reason: str) -> Step:
    """Refuse what waits for the answer to the call: there will be none, or not of a person."""
    for waiting in step.call.waiting:
        step = step.resolve(waiting.request, ok=False, text=reason)
    return step.replace(waiting=()) if step.call.waiting else step


def _silence(step: Step, reason: EndReason) -> Step:
    """Cut all speech. The requests waiting for it are answered now: playback report and hang-up race each other."""
    for utterance in step.call.utterances:
        began = utterance.began_at is not None
        step = step.resolve(utterance.request, ok=began, text="interrupted" if began else f"Call ended: {reason}")
    silenced = tuple(replace(utterance, cut=True, request=None) for utterance in step.call.utterances)
    return step.settle(Speak).emit(StopSpeaking()).set_playback(utterances=silenced, paused=False)


def send_hangup(step: Step, leg: LegId) -> Step:
    return step.request(HangUp(leg=leg))


def command_done(step: Step, event: CommandDone) -> Step:
    match step.call.pending.get(event.effect):
        case HangUp():
            return finalise(step, step.call.ending or EndReason.HANGUP_BOT)
        case SendDigits(request=request):
            return step.settle_one(event.effect).resolve(request, ok=True)
        case Transfer():  # they have spoken, and our part is over
            return hang_up(step.settle_one(event.effect), EndReason.COMPLETED)
        case Answer() | OpenStream() | AwaitBeep() | RunTool() | AskOwner():
            return step.settle_one(event.effect)
        case Dial() | FindLeg() | LookUp() | Speak() | AskAgent() | None:
            return step.ignored()
        case effect:
            assert_never(effect)


def command_failed(step: Step, event: CommandFailed) -> Step:
    match step.call.pending.get(event.effect):
        case HangUp():
            return _hangup_failed(step.settle(HangUp), event)
        case SendDigits() | RunTool() | AskOwner() | Transfer() as effect:
            request = effect.request if isinstance(effect, SendDigits) else None
            return step.settle_one(event.effect).resolve(request, ok=False, text=event.reason)
        case Answer():
            return hang_up(step.settle(Answer).replace(detail=event.reason), EndReason.ERROR)
        case OpenStream():
            # The caller may have hung up: the carrier is being queried already, and `Timer.RECONNECT` ends the wait.
            return step.settle(OpenStream).replace(detail=event.reason)
        case AwaitBeep():
            return step.settle(AwaitBeep)  # `Timer.GREETING` ends the wait
        case Dial() | FindLeg() | LookUp() | Speak() | AskAgent() | None:
            return step.ignored()
        case effect:
            assert_never(effect)


def _hangup_failed(step: Step, event: CommandFailed) -> Step:
    end = step.call.end
    if end is None:
        return step
    tries = end.tries + 1
    if event.retryable and tries < _HANGUP_TRIES:
        return step.replace(end=replace(end, tries=tries)).arm(Timer.RETRY_HANGUP, step.at + 2.0 ** (tries - 1))
    for request in end.waiters:
        step = step.resolve(request, ok=False, text=event.reason)
    step = step.replace(end=replace(end, tries=tries, waiters=()))
    return step.arm(Timer.RETRY_HANGUP, step.at + _HANGUP_RETRY_S)


def retry_hangup_due(step: Step) -> Step:
    """Repeat the hang-up that failed."""
    leg = step.call.leg
    return step if leg is None or step.is_pending(HangUp) else send_hangup(step, leg)


def max_duration_over(step: Step) -> Step:
    """The call has reached its maximum duration, answered or not."""
    if step.call.leg is None:
        return finalise(step.replace(detail=step.call.detail or "never connected"), EndReason.TIMEOUT)
    return hang_up(step, EndReason.TIMEOUT)


def stale(step: Step) -> Step:
    """End a call that was never answered; never a live conversation (guarantee P20)."""
    return step if step.call.answered_at is not None else hang_up(step, EndReason.HANGUP_BOT)


def finalise(step: Step, reason: EndReason) -> Step:
    """The call is over: every waiting request is answered, and nothing stays pending or armed."""
    call = step.call
    if call.is_over:
        return step
    ended = f"Call ended: {reason}"
    step = step.resolve(call.leg_state.dial_request, ok=False, text=call.detail or ended)
    for request in call.end.waiters if call.end is not None else ():
        step = step.resolve(request, ok=True)
    for utterance in call.utterances:
        step = _close_entry(step, utterance).resolve(utterance.request, ok=False, text=ended)
    for effect in call.pending.values():
        if isinstance(effect, SendDigits):
            step = step.resolve(effect.request, ok=False, text=ended)
    for queued in call.dtmf.queued:
        step = step.resolve(queued.request, ok=False, text=ended)
    if call.pending_continue is not None:
        step = step.resolve(call.pending_continue.request, ok=False, text=ended)
    if call.steering.question is not None:
        step = step.set_steering(question=None).resolve(call.steering.question.request, ok=False, text=ended)
    step = fail_waiting(step, ended)
    step = step.replace(phase=Phase(reason.value), ended_at=step.at, end=None, stream=None)
    step = step.set_leg(dial_request=None).set_dtmf(queued=()).set_amd(awaiting_beep=False)
    step = step.set_floor(pending_continue=None, reply=None).set_playback(utterances=(), hangup_after=None, cut_off=())
    return step.with_call(replace(step.call, timers={}, pending={}))


def _close_entry(step: Step, utterance: Utterance) -> Step:
    """The call ended during this utterance: no report of what was heard will come, so estimate it from the time."""
    if utterance.began_at is None:
        return step.with_call(transcript.unsaid(step.call, utterance.no))
    heard_ms = (step.at - utterance.began_at) * 1000
    return step.with_call(transcript.shorten(step.call, utterance, heard_ms, None))
