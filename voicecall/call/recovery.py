"""Taking up a call whose owner is gone: settle every effect whose outcome nobody knows.

Pure. The rule of each effect, in one place:

    Dial         asked of the carrier (FindLeg), never dialled again
    FindLeg      asked again        LookUp   asked again        HangUp   sent again: harmless
    Answer       sent again         OpenStream  asked for again: a leg has one stream
    AwaitBeep      asked for again: a greeting that is over meanwhile is quiet
    SendDigits   never pressed twice: its caller is told that the outcome is unknown
    Speak        said again, under a new number; what had begun is marked as a repetition
    AskAgent     asked again, with what the caller has heard of the reply already
"""

from voicecall.call import leg as leg_rules
from voicecall.call import playback, transcript, turns
from voicecall.call.effects import Answer, AskAgent, AwaitBeep, Dial, FindLeg, HangUp, LookUp, OpenStream, SendDigits
from voicecall.call.events import Timer
from voicecall.call.state import Call
from voicecall.call.step import Step

__all__ = ["reactivated"]

_WORDS_LOST_S = 6.0  # who has said something and hears nothing for so long begins to wonder


def reactivated(step: Step) -> Step:
    """A new owner has the call: go on where the last one was cut off."""
    call = step.call
    step = step.replace(reactivations=call.reactivations + 1, stt_down=False)  # with ears of its own
    step = _settle_pending(step, call)
    if step.call.has_voice:  # it may have waited for keys whose outcome is settled now
        step = playback.repeat_all(step)
    if call.reply_due and call.ending is None:
        said = transcript.said_of_turn(step.call, call.turn)
        return turns.ask_agent(step.settle(AskAgent), said)
    return _await_repetition(step)


def _await_repetition(step: Step) -> Step:
    """It was the caller's turn. Words that fell into the gap are lost, and who spoke them waits for an answer."""
    call = step.call
    if (
        call.stream is None
        or call.is_speaking
        or call.is_notice
        or call.ending is not None
        or call.pending_continue is not None
    ):
        return step
    return step.replace(interrupted=True).arm(Timer.UNHEARD, step.at + _WORDS_LOST_S)


def _settle_pending(step: Step, call: Call) -> Step:
    for effect in call.pending.values():
        match effect:
            case Dial():
                step = leg_rules.find_leg(step.settle(Dial))
            case FindLeg():
                step = leg_rules.find_leg(step.settle(FindLeg))
            case LookUp(leg=leg):
                step = step.settle(LookUp).request(LookUp(leg=leg))
            case HangUp(leg=leg):
                step = step.settle(HangUp).request(HangUp(leg=leg))
            case Answer(leg=leg):
                step = step.settle(Answer).request(Answer(leg=leg))
            case OpenStream(leg=leg):
                step = step.settle(OpenStream).request(OpenStream(leg=leg))
            case AwaitBeep(leg=leg):
                step = step.settle(AwaitBeep).request(AwaitBeep(leg=leg))
            case SendDigits(id=effect_id, request=request):
                step = step.settle(SendDigits, id=effect_id)
                step = step.resolve(request, ok=False, text="outcome unknown: the keys may have been pressed")
            case _:  # Speak and AskAgent: what is to be said is settled by `reactivated`
                continue
    return step
