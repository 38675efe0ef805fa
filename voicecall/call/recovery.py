"""Taking up a call whose owner is gone: settle every effect whose outcome nobody knows.

Pure. The rule of each effect, in one place:

    Dial         asked of the carrier (FindLeg), never dialled again
    FindLeg      asked again        LookUp   asked again        HangUp   sent again: harmless
    Answer       sent again         OpenStream  asked for again: a leg has one stream
    HearOut      asked for again: a greeting that is over meanwhile is quiet
    SendDigits   never pressed twice: its caller is told that the outcome is unknown
    Speak        said again, under a new number; what had begun is marked as a repetition
    AskAgent     asked again, with what the caller has heard of the reply already
"""

from voicecall.call import control, transcript, turns, voice
from voicecall.call.effects import Answer, AskAgent, Dial, FindLeg, HangUp, HearOut, LookUp, OpenStream, SendDigits
from voicecall.call.events import Timer
from voicecall.call.state import Call
from voicecall.call.step import Step

__all__ = ["reactivated"]

_WORDS_LOST_S = 6.0  # who has said something and hears nothing for so long begins to wonder


def reactivated(step: Step) -> Step:
    """A new owner has the call: go on where the last one was cut off."""
    call = step.call
    step = step.having(reactivations=call.reactivations + 1, deaf=False)  # with ears of its own
    step = _settle_commands(step, call)
    if step.call.has_voice:  # it may have waited for keys whose outcome is settled now
        step = voice.say_everything_again(step)
    if call.reply_due and call.ending is None:
        said = transcript.said_of_turn(step.call, call.turn)
        return turns.ask_agent(step.settle(AskAgent), said)
    return _listen_anew(step)


def _listen_anew(step: Step) -> Step:
    """It was the caller's turn. Words that fell into the gap are lost, and who spoke them waits for an answer."""
    call = step.call
    if call.stream is None or call.is_speaking or call.is_notice or call.ending is not None or call.waiter is not None:
        return step
    return step.having(interrupted=True).arm(Timer.UNHEARD, step.at + _WORDS_LOST_S)


def _settle_commands(step: Step, call: Call) -> Step:
    for effect in call.pending.values():
        match effect:
            case Dial():
                step = control.found_leg(step.settle(Dial))
            case FindLeg():
                step = control.found_leg(step.settle(FindLeg))
            case LookUp(leg=leg):
                step = step.settle(LookUp).ask(LookUp, leg=leg)
            case HangUp(leg=leg):
                step = step.settle(HangUp).ask(HangUp, leg=leg)
            case Answer(leg=leg):
                step = step.settle(Answer).ask(Answer, leg=leg)
            case OpenStream(leg=leg):
                step = step.settle(OpenStream).ask(OpenStream, leg=leg)
            case HearOut(leg=leg):
                step = step.settle(HearOut).ask(HearOut, leg=leg)
            case SendDigits(id=effect_id, request=request):
                step = step.settle(SendDigits, id=effect_id)
                step = step.resolve(request, ok=False, text="outcome unknown: the keys may have been pressed")
            case _:  # Speak and AskAgent: what is to be said is settled by `reactivated`
                continue
    return step
