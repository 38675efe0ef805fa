"""Who picked up: a person, a machine that records, or a fax; and what an outbound call does with a machine.

Pure. The carrier listens while the call goes on as with a person, so that a person waits for nothing; its verdict may
come at any moment, twice, or never. Knows the verdict and the voice; does not know how a carrier comes to its verdict.

    verdict            on hangup     on leave-message
    human, or none     the call goes on; a notice that was heard may leave now
    machine            hang up       silence until its greeting is over, the message whole and once, then leave
    fax                hang up       hang up: it records nothing
"""

from voicecall.call import hangup, playback, requests
from voicecall.call.effects import AwaitBeep
from voicecall.call.events import AnsweredBy, EndReason, OnMachine, Timer
from voicecall.call.step import Step

__all__ = ["amd_overdue", "amd_result", "await_amd_result", "greeting_ended", "greeting_overdue", "remote_sound"]

_GREETING_MAX_S = 45.0  # no greeting is heard out for longer
# Behind most greetings the beep comes within a second or two; speaking before it would lose the first words.
_QUIET_S = 2.5


def await_amd_result(step: Step) -> Step:
    """Somebody answered: the carrier owes us who it is, and does not always pay."""
    if not step.call.uses_amd or step.call.answered_by is not None:
        return step
    return step.arm(Timer.AMD, step.at + step.call.policy.amd_timeout_s)


def amd_result(step: Step, by: AnsweredBy | None) -> Step:
    """The carrier's verdict. The first one stands: who repeats or revises it changes nothing."""
    if by is None or step.call.answered_by is not None:
        return step
    step = step.replace(answered_by=by).disarm(Timer.AMD)
    if not step.call.uses_amd or step.call.ending is not None:
        return step
    return _on_person(step) if by is AnsweredBy.HUMAN else _on_machine(step, by)


def amd_overdue(step: Step) -> Step:
    """No verdict within the carrier's own limit: a person."""
    return _on_person(step)


def _on_person(step: Step) -> Step:
    """Nothing changes, but for a notice that was heard already and stayed for this."""
    call = step.call
    said = call.has_voice and not call.is_speaking and not call.opening_text and call.speech_started_at is None
    return playback.rest(step) if call.is_notice and said else step


def _on_machine(step: Step, by: AnsweredBy) -> Step:
    """Silence at once: nothing more is said, heard or thought for a machine, but for a message after its beep."""
    if step.call.pending_continue is not None:
        step = requests.fail_continue(step, step.call.pending_continue.utterance, requests.NO_PERSON)
    step = requests.cancel_reply(playback.cut(step)).disarm(Timer.NOTIFY_HANGUP, Timer.UNHEARD)
    step = step.replace(
        opening_text="", hangup_after=None, speech_started_at=None, speech_token=None, interrupted=False
    )
    call = step.call
    if by is AnsweredBy.FAX or call.policy.on_machine is OnMachine.HANGUP or not call.voicemail_text:
        return hangup.hang_up(step.replace(detail=f"answered by a {by}"), EndReason.VOICEMAIL)
    step = step.replace(awaiting_beep=True)
    if call.is_native and call.leg is not None:
        step = step.request(AwaitBeep(leg=call.leg))
    return _await_beep(step)


def _await_beep(step: Step) -> Step:
    """Wait for the end of the greeting: reported by the carrier, or taken to be when the line falls silent."""
    call = step.call
    told = call.policy.reports_beep or call.is_native
    return step.arm(Timer.GREETING, step.at + (_GREETING_MAX_S if told or call.remote_noisy else _QUIET_S))


def remote_sound(step: Step, *, noisy: bool) -> Step:
    """The other side makes a sound, or falls silent: how a greeting ends where no carrier tells of its beep."""
    if not step.call.uses_amd:
        return step
    step = step.replace(remote_noisy=noisy)
    return _await_beep(step) if step.call.awaiting_beep and not step.call.policy.reports_beep else step


def greeting_ended(step: Step) -> Step:
    """The machine records from now on. Without an AMD result before, it is a machine."""
    step = amd_result(step, AnsweredBy.MACHINE)
    return _leave_message(step) if step.call.awaiting_beep else step.ignored()


def greeting_overdue(step: Step) -> Step:
    """The line is quiet, or nobody told us for too long: it records by now, if it ever does."""
    return _leave_message(step) if step.call.awaiting_beep else step


def _leave_message(step: Step) -> Step:
    step = step.settle(AwaitBeep).disarm(Timer.GREETING)
    step = step.replace(awaiting_beep=False, detail="left a message on a machine")
    return playback.say(step, step.call.voicemail_text, protected=True)
