"""How a call ends: by us, by the carrier, or by its own clocks; once, and with everybody told.

Pure. A hang-up of ours is over when the carrier agrees; until then it is repeated, because a live leg costs money.
Does not know speech, agents or sockets.
"""

from dataclasses import replace

from voicecall.call import transcript
from voicecall.call.effects import (
    Answer,
    AskAgent,
    AwaitBeep,
    Dial,
    DropAgent,
    FindLeg,
    HangUp,
    OpenStream,
    SendDigits,
    Speak,
    StopSpeaking,
)
from voicecall.call.events import CommandDone, CommandFailed, EndReason, EndRequested, Timer
from voicecall.call.ids import LegId
from voicecall.call.state import Phase, Utterance
from voicecall.call.step import Step

__all__ = [
    "command_done",
    "command_failed",
    "end_requested",
    "finalise",
    "hang_up",
    "max_duration_over",
    "retry_hangup_due",
    "send_hangup",
    "stale",
]

_HANGUP_TRIES = 3  # before those who wait are told
_HANGUP_RETRY_S = 30.0  # and after, for as long as it takes


def end_requested(step: Step, event: EndRequested) -> Step:
    """A local caller ends the call; several who ask share one hang-up."""
    step = step.replace(end_waiters=(*step.call.end_waiters, event.request))
    if step.call.ending is not None and step.call.leg is not None and not step.is_pending(HangUp):
        return send_hangup(step.replace(hangup_tries=0).disarm(Timer.RETRY_HANGUP), step.call.leg)
    return hang_up(step, EndReason.HANGUP_BOT)


def hang_up(step: Step, reason: EndReason) -> Step:
    """We end the call. It is over when the carrier agrees, or at once when there is no leg to end."""
    call = step.call
    if call.is_over or call.ending is not None:
        return step
    step = step.replace(ending=reason, hangup_after=None, awaiting_beep=False)
    step = step.disarm(Timer.FILLER, Timer.REPLY, Timer.UNHEARD, Timer.AMD, Timer.GREETING)
    if call.reply_due:
        step = step.settle(AskAgent).emit(DropAgent(turn=call.turn)).replace(reply_due=False)
    if call.is_speaking:
        step = _silence(step, reason)
    if call.leg is not None:
        return send_hangup(step, call.leg)
    # A dial in flight may still become a leg: `adopt_leg` hangs it up as soon as it has a name.
    return step if step.is_pending(Dial, FindLeg) else finalise(step, reason)


def _silence(step: Step, reason: EndReason) -> Step:
    """Cut what we say. Who waits for it is told now: the door's report and the carrier's agreement race each other."""
    for utterance in step.call.utterances:
        began = utterance.began_at is not None
        step = step.resolve(utterance.request, ok=began, text="interrupted" if began else f"Call ended: {reason}")
    silenced = tuple(replace(utterance, cut=True, request=None) for utterance in step.call.utterances)
    return step.settle(Speak).emit(StopSpeaking()).replace(utterances=silenced)


def send_hangup(step: Step, leg: LegId) -> Step:
    return step.request(HangUp(leg=leg))


def command_done(step: Step, event: CommandDone) -> Step:
    effect = step.call.pending.get(event.effect)
    match effect:
        case HangUp():
            return finalise(step, step.call.ending or EndReason.HANGUP_BOT)
        case SendDigits(request=request):
            return step.settle(SendDigits, id=event.effect).resolve(request, ok=True)
        case Answer() | OpenStream() | AwaitBeep():
            return step.settle(Answer, OpenStream, AwaitBeep, id=event.effect)
        case _:
            return step.ignored()


def command_failed(step: Step, event: CommandFailed) -> Step:
    effect = step.call.pending.get(event.effect)
    match effect:
        case HangUp():
            return _hangup_failed(step.settle(HangUp), event)
        case SendDigits(request=request):
            return step.settle(SendDigits, id=event.effect).resolve(request, ok=False, text=event.reason)
        case Answer():
            return hang_up(step.settle(Answer).replace(detail=event.reason), EndReason.ERROR)
        case OpenStream():
            # Maybe because the caller is gone: the carrier is asked already, and `Timer.RECONNECT` has the last word.
            return step.settle(OpenStream).replace(detail=event.reason)
        case AwaitBeep():
            return step.settle(AwaitBeep)  # `Timer.GREETING` ends the wait
        case _:
            return step.ignored()


def _hangup_failed(step: Step, event: CommandFailed) -> Step:
    tries = step.call.hangup_tries + 1
    step = step.replace(hangup_tries=tries)
    if event.retryable and tries < _HANGUP_TRIES:
        return step.arm(Timer.RETRY_HANGUP, step.at + 2.0 ** (tries - 1))
    for request in step.call.end_waiters:
        step = step.resolve(request, ok=False, text=event.reason)
    return step.replace(end_waiters=()).arm(Timer.RETRY_HANGUP, step.at + _HANGUP_RETRY_S)


def retry_hangup_due(step: Step) -> Step:
    leg = step.call.leg
    return step if leg is None or step.is_pending(HangUp) else send_hangup(step, leg)


def max_duration_over(step: Step) -> Step:
    """The call has lasted as long as it may, answered or not."""
    if step.call.leg is None:
        return finalise(step.replace(detail=step.call.detail or "never connected"), EndReason.TIMEOUT)
    if step.call.ending is not None:
        return step
    return hang_up(step, EndReason.TIMEOUT)


def stale(step: Step) -> Step:
    """The reaper: only calls that nobody ever answered; never a live conversation (reliability P20)."""
    return step if step.call.answered_at is not None else hang_up(step, EndReason.HANGUP_BOT)


def finalise(step: Step, reason: EndReason) -> Step:
    """The call is over: everybody who waits is told, and nothing is asked for any more."""
    call = step.call
    if call.is_over:
        return step
    step = step.resolve(call.dial_request, ok=False, text=call.detail or f"Call ended: {reason}")
    for request in call.end_waiters:
        step = step.resolve(request, ok=True)
    for utterance in call.utterances:
        step = _close_entry(step, utterance).resolve(utterance.request, ok=False, text=f"Call ended: {reason}")
    for effect in call.pending.values():
        if isinstance(effect, SendDigits):
            step = step.resolve(effect.request, ok=False, text=f"Call ended: {reason}")
    for keys in call.queued_digits:
        step = step.resolve(keys.request, ok=False, text=f"Call ended: {reason}")
    if call.pending_continue is not None:
        step = step.resolve(call.pending_continue.request, ok=False, text=f"Call ended: {reason}")
    return step.replace(
        phase=Phase(reason.value),
        end_reason=reason,
        ended_at=step.at,
        dial_request=None,
        end_waiters=(),
        pending_continue=None,
        utterances=(),
        queued_digits=(),
        awaiting_beep=False,
        stream=None,
        reply_due=False,
        hangup_after=None,
        timers={},
        pending={},
    )


def _close_entry(step: Step, utterance: Utterance) -> Step:
    """The call ended under this utterance: nobody will tell how much was heard, so judge by the time it had."""
    if utterance.began_at is None:
        return replace(step, call=transcript.unsaid(step.call, utterance.no))
    heard_ms = (step.at - utterance.began_at) * 1000
    return replace(step, call=transcript.shorten(step.call, utterance, heard_ms, None))
