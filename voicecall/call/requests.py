"""API requests to a live call: say something, or say something and return the caller's next utterance.

Pure. A refused request is answered with the reason, an accepted one when it is done. One that comes while the call
rings waits for the answer and is carried out behind the opening text. One `continue` waits at a time; its request id is
the turn token, which a stale callback cannot guess. Digits are in `dtmf`, ending in `hangup`.
"""

from typing import Final

from voicecall.call import playback
from voicecall.call.effects import AskAgent, DropAgent
from voicecall.call.events import ContinueRequested, DigitsRequested, Heard, SpeakRequested, Timer
from voicecall.call.ids import NO_TURN, RequestId
from voicecall.call.state import Call, PendingContinue, WaitingRequest
from voicecall.call.step import Step
from voicecall.text.speakable import speakable

__all__ = [
    "NO_PERSON",
    "answer_continue",
    "cancel_reply",
    "carry_out_waiting",
    "continue_requested",
    "fail_continue",
    "is_stale",
    "not_connected",
    "precedes_question",
    "refuse",
    "speak_requested",
    "transcript_overdue",
    "turn_token",
]

NO_PERSON: Final = "An answering machine answered"
_NOTHING: Final = "the message has nothing to say"
_WAITING_MAX: Final = 8


def refuse(step: Step, event: SpeakRequested | ContinueRequested | DigitsRequested) -> Step:
    """The call is being hung up: nothing more can be requested of it."""
    connected = step.call.phase.is_connected and (step.call.leg is not None or not isinstance(event, DigitsRequested))
    return step.resolve(event.request, ok=False, text="Call has ended" if connected else "Call not connected")


def not_connected(step: Step, event: SpeakRequested | ContinueRequested | DigitsRequested) -> Step:
    """The call has not arrived yet."""
    return step.resolve(event.request, ok=False, text="Call not connected")


def speak_requested(step: Step, event: SpeakRequested) -> Step:
    if step.call.is_machine:
        return step.resolve(event.request, ok=False, text=NO_PERSON)
    text = speakable(event.text)
    if not text:
        return step.resolve(event.request, ok=False, text=_NOTHING)
    if _is_early(step.call):
        return _wait(step, WaitingRequest(request=event.request, text=event.text, listens=False))
    if event.interrupts:
        step = cancel_reply(playback.cut(step))
    return playback.say(step, text, request=event.request)


def continue_requested(step: Step, event: ContinueRequested) -> Step:
    """Say the text; the caller's next utterance is the answer. A second `continue` is refused while one waits."""
    call = step.call
    if call.is_machine:
        return step.resolve(event.request, ok=False, text=NO_PERSON)
    asks = call.steering.question is not None
    if asks or call.pending_continue is not None or any(waiting.listens for waiting in call.waiting):
        return step.resolve(event.request, ok=False, text="Already waiting for transcript")
    text = speakable(event.text)
    if not text:
        return step.resolve(event.request, ok=False, text=_NOTHING)
    if _is_early(call):
        return _wait(step, WaitingRequest(request=event.request, text=event.text, listens=True))
    question = PendingContinue(request=event.request, utterance=playback.last_number(call, text), asked_at=step.at)
    step = cancel_reply(step).disarm(Timer.TURN)  # what the caller has said is no answer to it
    return playback.say(step.set_floor(pending_continue=question, held=None), text)


def _is_early(call: Call) -> bool:
    """The call rings, or the opening text, which is said first, waits for a way to the other party."""
    return not call.phase.is_connected or bool(call.playback.opening_text)


def _wait(step: Step, request: WaitingRequest) -> Step:
    if len(step.call.waiting) >= _WAITING_MAX:
        return step.resolve(request.request, ok=False, text="Too many requests wait for the answer")
    return step.replace(waiting=(*step.call.waiting, request))


def carry_out_waiting(step: Step) -> Step:
    """The call is answered, and the opening text is under way: carry out, in order, what was requested before."""
    waiting = step.call.waiting
    if not waiting or _is_early(step.call):
        return step
    step = step.replace(waiting=())
    for each in waiting:
        if each.listens:
            step = continue_requested(step, ContinueRequested(request=each.request, text=each.text))
        else:
            step = speak_requested(step, SpeakRequested(request=each.request, text=each.text))
    return step


def transcript_overdue(step: Step) -> Step:
    """The caller has not answered a `continue` in time."""
    question = step.call.pending_continue
    if question is None:
        return _steered_overdue(step)
    waited_ms = round(step.call.policy.transcript_timeout_s * 1000)
    step = step.set_floor(pending_continue=None)
    return step.resolve(question.request, ok=False, text=f"Timed out waiting for transcript after {waited_ms}ms")


def _steered_overdue(step: Step) -> Step:
    """The caller has not answered an operator's question in time."""
    question = step.call.steering.question
    if question is None:
        return step
    step = step.set_steering(question=None)
    return step.resolve(question.request, ok=False, text="Timed out waiting for the answer")


def answer_continue(step: Step, question: PendingContinue, text: str) -> Step:
    """The caller has answered a `continue`: their utterance is a turn of its own."""
    since = question.listening_since or step.at
    step = step.set_floor(pending_continue=None, turn=step.call.turn + 1)
    step = step.set_stats(
        completed_turns=step.call.stats.completed_turns + 1,
        last_listen_wait_ms=round((step.at - since) * 1000),
    )
    return step.disarm(Timer.TRANSCRIPT).resolve(question.request, ok=True, text=text)


def turn_token(call: Call, event: Heard) -> RequestId | str | None:
    """The turn token of this transcript: the carrier callback's, else the one of when the caller began to speak."""
    if event.turn_token is not None:
        return event.turn_token
    if call.floor.speech is not None:
        return call.floor.speech.token
    return call.pending_continue.request if call.pending_continue is not None else None


def is_stale(call: Call, event: Heard) -> bool:
    """Whether a carrier's callback names another turn than the pending `continue`, or one that still waits."""
    if event.turn_token in (None, NO_TURN):
        return False
    question = call.pending_continue
    if question is None:
        return any(waiting.listens for waiting in call.waiting)
    return event.turn_token != question.request


def precedes_question(call: Call, event: Heard) -> bool:
    """Whether the carrier's own recogniser heard this before the question was asked: by its token, or by the time."""
    question = call.pending_continue
    if question is None or not call.is_native or event.turn_token not in (None, NO_TURN):
        return False
    if event.turn_token == NO_TURN:
        return True
    utterance = playback.find(call, question.utterance)
    return utterance is not None and utterance.began_at is None


def fail_continue(step: Step, no: int, reason: str) -> Step:
    """Refuse the pending `continue` if utterance `no` is its question."""
    question = step.call.pending_continue
    if question is None or question.utterance != no:
        return step
    step = step.set_floor(pending_continue=None).disarm(Timer.TRANSCRIPT)
    return step.resolve(question.request, ok=False, text=reason)


def cancel_reply(step: Step) -> Step:
    """Cancel the agent's reply, if one is due."""
    if not step.call.reply_due:
        return step
    step = step.settle(AskAgent).emit(DropAgent(turn=step.call.turn))
    return step.set_floor(reply=None).disarm(Timer.FILLER, Timer.REPLY)
