"""What local callers ask of a live call: say this, say this and listen, press these keys.

Pure. A refused request is answered with its reason; an accepted one when it is done. A `continue` waits for the
caller's next words, one at a time; its request id is the turn token that stale words cannot guess (behaviour 5.8).
"""

from typing import Final

from voicecall.call import ending, voice
from voicecall.call.effects import AskAgent, DropAgent, SendDigits
from voicecall.call.events import CommandDone, CommandFailed, ContinueAsked, DigitsAsked, Heard, SpeakAsked, Timer
from voicecall.call.ids import NO_TURN, RequestId
from voicecall.call.state import Call, Keys, Waiter
from voicecall.call.step import Step

__all__ = [
    "NO_PERSON",
    "answer_waiter",
    "continue_asked",
    "digits_asked",
    "drop_agent",
    "fail_waiter",
    "is_stale",
    "keys_overdue",
    "keys_settled",
    "precedes_question",
    "press_keys",
    "press_opening_keys",
    "speak_asked",
    "transcript_overdue",
    "turn_token",
]

NO_PERSON: Final = "An answering machine answered"

_QUIET_WITHIN_S: Final = 25.0  # a local caller waits half a minute to hear that keys were pressed
_KEY_S: Final = 1.0  # the longest that one key or pause takes
_KEYS_MARGIN_S: Final = 10.0
_TONE_S: Final = 0.5  # one key and the silence behind it
_PAUSES_S: Final = {"w": 0.5, "W": 1.0, "p": 1.0, "P": 1.0, ",": 1.0}
_TONES_MARGIN_S: Final = 1.0  # from our request to the first tone


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


def is_stale(call: Call, event: Heard) -> bool:
    """Whether a carrier's callback names another turn than the one that waits."""
    return call.waiter is not None and event.turn_token not in (None, NO_TURN, call.waiter.request)


def precedes_question(call: Call, event: Heard) -> bool:
    """Whether a carrier that listens for us heard this before the question was put: it says so, or cannot have yet."""
    waiter = call.waiter
    if waiter is None or not call.is_native or event.turn_token not in (None, NO_TURN):
        return False
    if event.turn_token == NO_TURN:
        return True
    question = voice.find(call, waiter.utterance)
    return question is not None and question.began_at is None


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
    if call.ending is not None:
        return step.resolve(event.request, ok=False, text="Call has ended")
    if not call.terms.keys_replace:
        return step.ask(SendDigits, leg=call.leg, digits=event.digits, request=event.request)
    keys = (*call.keys_waiting, Keys(request=event.request, digits=event.digits))
    step = step.having(keys_waiting=keys)
    return step if Timer.KEYS in call.timers else step.arm(Timer.KEYS, step.at + _QUIET_WITHIN_S)


def press_keys(step: Step) -> Step:
    """Press what waits, if nobody speaks: nothing is cut, and what comes to be said meanwhile waits in its turn."""
    call = step.call
    if not call.keys_waiting or not call.has_voice or call.ending is not None:
        return step
    if call.utterances or call.speech_started_at is not None:
        return step
    keys, *rest = call.keys_waiting
    step = step.ask(SendDigits, leg=call.leg, digits=keys.digits, request=keys.request)
    takes_s = len(keys.digits) * _KEY_S + _KEYS_MARGIN_S
    return step.having(keys_waiting=tuple(rest)).arm(Timer.KEYS, step.at + takes_s)


def press_opening_keys(step: Step) -> Step:
    """The keys that whoever placed the call wants pressed first. Once: after this nobody knows of them any more.

    A carrier that presses them in place of everything else says when it has; of the others we know how long it takes.
    """
    call = step.call
    step = step.having(opening_keys="").ask(SendDigits, leg=call.leg, digits=call.opening_keys)
    if call.terms.keys_replace:
        return step.arm(Timer.KEYS, step.at + len(call.opening_keys) * _KEY_S + _KEYS_MARGIN_S)
    tones_s = sum(_PAUSES_S.get(key, _TONE_S) for key in call.opening_keys)
    return step.arm(Timer.OPENING, step.at + _TONES_MARGIN_S + tones_s)


def keys_settled(step: Step, event: CommandDone | CommandFailed) -> Step:
    """What became of a command. When it was keys, the voice has its way to the caller again."""
    was_pressing = step.call.is_pressing
    step = ending.command_done(step, event) if isinstance(event, CommandDone) else ending.command_failed(step, event)
    return _voice_again(step) if was_pressing and not step.call.is_pressing else step


def keys_overdue(step: Step) -> Step:
    """Nobody was silent for long enough, or the carrier never came back to say that the keys were pressed."""
    for effect in step.call.pending.values():
        if isinstance(effect, SendDigits):
            step = step.settle(SendDigits, id=effect.id)
            step = step.resolve(effect.request, ok=False, text="outcome unknown: the keys may have been pressed")
            return _voice_again(step)
    for keys in step.call.keys_waiting:
        step = step.resolve(keys.request, ok=False, text="nothing was pressed: nobody was silent for long enough")
    return step.having(keys_waiting=())


def _voice_again(step: Step) -> Step:
    step = step.disarm(Timer.KEYS)
    if step.call.keys_waiting:
        step = step.arm(Timer.KEYS, step.at + _QUIET_WITHIN_S)
    return voice.give_waiting(step) if step.call.has_voice and step.call.ending is None else step
