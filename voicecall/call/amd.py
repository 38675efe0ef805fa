"""Answering-machine detection (AMD): a person, a machine that records, or a fax; and what is done with a machine.

Pure. The carrier listens while the call goes on as with a person, so that a person waits for nothing; its result may
come at any moment, twice, or never. The first result counts (`AMD`). Does not know how a carrier finds it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from voicecall.call import hangup, playback, requests
from voicecall.call.effects import AwaitBeep
from voicecall.call.events import AnsweredBy, EndReason, Timer
from voicecall.call.policy import OnMachine
from voicecall.call.step import Step
from voicecall.text.speakable import NOTHING

__all__ = [
    "AMD",
    "AmdAction",
    "amd_overdue",
    "amd_result",
    "await_amd_result",
    "greeting_ended",
    "greeting_overdue",
    "remote_sound",
]


class AmdAction(StrEnum):
    """What an AMD result means for the call."""

    GO_ON = "the call goes on; a notice that was heard may end now"
    HANG_UP = "hang up; the call ends as voicemail"
    LEAVE_MESSAGE = "silence until the greeting is over, then the message, in full and once"


AMD: Final[Mapping[AnsweredBy, Mapping[OnMachine, AmdAction]]] = {
    AnsweredBy.HUMAN: {OnMachine.HANGUP: AmdAction.GO_ON, OnMachine.LEAVE_MESSAGE: AmdAction.GO_ON},
    AnsweredBy.MACHINE: {OnMachine.HANGUP: AmdAction.HANG_UP, OnMachine.LEAVE_MESSAGE: AmdAction.LEAVE_MESSAGE},
    AnsweredBy.FAX: {OnMachine.HANGUP: AmdAction.HANG_UP, OnMachine.LEAVE_MESSAGE: AmdAction.HANG_UP},
}
"""What is done for each AMD result under each policy. No result in time counts as a person."""

_OF_PERSON: Final = (Timer.NOTIFY_HANGUP, Timer.UNHEARD, Timer.CONFIRM, Timer.RESUME, Timer.TURN, Timer.TYPED)
"""Timers of a conversation with a person."""

_GREETING_MAX_S = 45.0  # the longest greeting that is waited for
# Most beeps come within a second or two of the greeting's end; speaking before one would lose the first words.
_QUIET_S = 2.5


def await_amd_result(step: Step) -> Step:
    """The leg was answered: the carrier has a limited time to report who answered."""
    if not step.call.uses_amd or step.call.amd.result is not None:
        return step
    return step.arm(Timer.AMD, step.at + step.call.policy.amd_timeout_s)


def amd_result(step: Step, by: AnsweredBy | None) -> Step:
    """The carrier's result. The first one counts: a repeated or revised one changes nothing."""
    if by is None or step.call.amd.result is not None:
        return step
    step = step.set_amd(result=by).disarm(Timer.AMD)
    policy = step.call.policy
    if not step.call.uses_amd or policy.on_machine is None or step.call.is_ending:
        return step
    action = AMD[by][policy.on_machine]
    return _on_person(step) if action is AmdAction.GO_ON else _on_machine(step, by, action)


def amd_overdue(step: Step) -> Step:
    """No AMD result within the carrier's limit: a person."""
    return _on_person(step)


def _on_person(step: Step) -> Step:
    """Nothing changes, except that a notice which was heard and only waited for the result may end."""
    call = step.call
    heard = call.has_voice and not call.is_speaking and not call.playback.opening_text and not call.caller_is_speaking
    return playback.finished(step) if call.is_notice and heard else step


def _on_machine(step: Step, by: AnsweredBy, action: AmdAction) -> Step:
    """Silence at once: a machine gets no greeting, no agent and no reply, only the message after its beep."""
    if step.call.pending_continue is not None:
        step = requests.fail_continue(step, step.call.pending_continue.utterance, requests.NO_PERSON)
    step = hangup.fail_waiting(step, requests.NO_PERSON)
    step = requests.cancel_reply(playback.cut(step)).disarm(*_OF_PERSON)
    step = step.set_playback(opening_text=NOTHING, hangup_after=None)
    step = step.set_floor(speech=None, held=None, interrupted=False, reply_cut=False)
    call = step.call
    if action is AmdAction.HANG_UP or not call.amd.message:
        return hangup.hang_up(step.replace(detail=f"answered by a {by}"), EndReason.VOICEMAIL)
    step = step.set_amd(awaiting_beep=True)
    if call.is_native and call.leg is not None:
        step = step.request(AwaitBeep(leg=call.leg))
    return _await_beep(step)


def _await_beep(step: Step) -> Step:
    """Wait for the end of the greeting: reported by the carrier, or concluded from silence."""
    call = step.call
    reported = call.policy.reports_beep or call.is_native
    limit_s = _GREETING_MAX_S if reported or call.amd.remote_noisy else _QUIET_S
    return step.arm(Timer.GREETING, step.at + limit_s)


def remote_sound(step: Step, *, noisy: bool) -> Step:
    """The callee makes a sound, or falls silent: how a greeting ends where the carrier reports no beep."""
    if not step.call.uses_amd:
        return step
    step = step.set_amd(remote_noisy=noisy)
    return _await_beep(step) if step.call.amd.awaiting_beep and not step.call.policy.reports_beep else step


def greeting_ended(step: Step) -> Step:
    """The machine records from now on. Without an AMD result before, it counts as one: a machine."""
    step = amd_result(step, AnsweredBy.MACHINE)
    return _leave_message(step) if step.call.amd.awaiting_beep else step.ignored()


def greeting_overdue(step: Step) -> Step:
    """The line is silent, or no end of the greeting was reported for too long: leave the message now."""
    return _leave_message(step) if step.call.amd.awaiting_beep else step


def _leave_message(step: Step) -> Step:
    step = step.settle(AwaitBeep).disarm(Timer.GREETING)
    step = step.set_amd(awaiting_beep=False).replace(detail="left a message on a machine")
    return playback.say(step, step.call.amd.message, protected=True)
