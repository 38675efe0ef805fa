"""What local callers ask of a live call: say this, say this and listen, press these keys.

Pure. A refused request is answered with its reason; an accepted one when it is done. A `continue` waits for the
caller's next words, one at a time; its request id is the turn token that stale words cannot guess (behaviour 5.8).
"""

from typing import Final

from voicecall.call import voice
from voicecall.call.effects import AskAgent, DropAgent, SendDigits
from voicecall.call.events import ContinueAsked, DigitsAsked, Heard, SpeakAsked, Timer
from voicecall.call.ids import RequestId
from voicecall.call.state import Call, Waiter
from voicecall.call.step import Step

__all__ = [
    "NO_PERSON",
    "answer_waiter",
    "continue_asked",
    "digits_asked",
    "drop_agent",
    "fail_waiter",
    "speak_asked",
    "transcript_overdue",
    "turn_token",
]


NO_PERSON: Final = "An answering machine answered"


def speak_asked(step: Step, event: SpeakAsked) -> Step:
    if not step.call.phase.is_connected:
        return step.resolve(event.request, ok=False, text="Call not connected")
    if step.call.ending is not None:
        return step.resolve(event.request, ok=False, text="Call has ended")
    if step.call.is_machine:
        return step.resolve(event.request, ok=False, text=NO_PERSON)
    return voice.say(step, event.text, request=event.request)


def continue_asked(step: Step, event: ContinueAsked) -> Step:
    """Say it, then the caller's next words are the answer. One at a time (behaviour 3.5)."""
    call = step.call
    if not call.phase.is_connected:
        return step.resolve(event.request, ok=False, text="Call not connected")
    if call.ending is not None:
        return step.resolve(event.request, ok=False, text="Call has ended")
    if call.is_machine:
        return step.resolve(event.request, ok=False, text=NO_PERSON)
    if call.waiter is not None:
        return step.resolve(event.request, ok=False, text="Already waiting for transcript")
    waiter = Waiter(request=event.request, utterance=call.utterances_made + 1, asked_at=step.at)
    return voice.say(drop_agent(step).having(waiter=waiter), event.text)


def transcript_overdue(step: Step) -> Step:
    waiter = step.call.waiter
    if waiter is None:
        return step
    waited_ms = round(step.call.terms.transcript_timeout_s * 1000)
    step = step.having(waiter=None)
    return step.resolve(waiter.request, ok=False, text=f"Timed out waiting for transcript after {waited_ms}ms")


def answer_waiter(step: Step, waiter: Waiter, text: str) -> Step:
    since = waiter.listening_since or step.at
    return (
        step.having(
            waiter=None,
            turn=step.call.turn + 1,
            completed_turns=step.call.completed_turns + 1,
            last_turn_latency_ms=round((step.at - waiter.asked_at) * 1000),
            last_listen_wait_ms=round((step.at - since) * 1000),
        )
        .disarm(Timer.TRANSCRIPT)
        .resolve(waiter.request, ok=True, text=text)
    )


def turn_token(call: Call, event: Heard) -> RequestId | str | None:
    """Which `continue` these words can answer: named by the carrier's callback, else by when the caller began."""
    if event.turn_token is not None:
        return event.turn_token
    if call.speech_started_at is not None:
        return call.speech_token
    return call.waiter.request if call.waiter is not None else None


def fail_waiter(step: Step, no: int, reason: str) -> Step:
    waiter = step.call.waiter
    if waiter is None or waiter.utterance != no:
        return step
    return step.having(waiter=None).disarm(Timer.TRANSCRIPT).resolve(waiter.request, ok=False, text=reason)


def drop_agent(step: Step) -> Step:
    """Nobody waits for the agent's words any more."""
    if not step.call.reply_due:
        return step
    step = step.settle(AskAgent).tell(DropAgent, turn=step.call.turn)
    return step.having(reply_due=False, reply_text="").disarm(Timer.FILLER, Timer.REPLY)


def digits_asked(step: Step, event: DigitsAsked) -> Step:
    call = step.call
    if call.leg is None or not call.phase.is_connected:
        return step.resolve(event.request, ok=False, text="Call not connected")
    return step.ask(SendDigits, leg=call.leg, digits=event.digits, request=event.request)
