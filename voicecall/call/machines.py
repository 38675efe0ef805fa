"""Who picked up: a person, a machine that records, or a fax; and what an outbound call does with a machine.

Pure. The carrier listens while the call goes on as with a person, so that a person waits for nothing; its verdict may
come at any moment, twice, or never. Knows the verdict and the voice; does not know how a carrier comes to its verdict.

    verdict            on hangup     on leave-message
    human, or none     the call goes on; a notice that was heard may leave now
    machine            hang up       silence until its greeting is over, the message whole and once, then leave
    fax                hang up       hang up: it records nothing
"""

from voicecall.call import asks, ending, voice
from voicecall.call.effects import HearOut
from voicecall.call.events import AnsweredBy, EndReason, OnMachine, Timer
from voicecall.call.step import Step

__all__ = ["expect_verdict", "followed", "greeting_ended", "greeting_overdue", "judged", "verdict_overdue"]

_GREETING_MAX_S = 45.0  # no greeting is heard out for longer
# Behind most greetings the beep comes within a second or two; speaking before it would lose the first words.
_QUIET_S = 2.5


def expect_verdict(step: Step) -> Step:
    """Somebody answered: the carrier owes us who it is, and does not always pay."""
    if not step.call.detects or step.call.answered_by is not None:
        return step
    return step.arm(Timer.VERDICT, step.at + step.call.terms.verdict_within_s)


def judged(step: Step, by: AnsweredBy | None) -> Step:
    """The carrier's verdict. The first one stands: who repeats or revises it changes nothing."""
    if by is None or step.call.answered_by is not None:
        return step
    step = step.having(answered_by=by).disarm(Timer.VERDICT)
    if not step.call.detects or step.call.ending is not None:
        return step
    return _person(step) if by is AnsweredBy.HUMAN else _machine(step, by)


def verdict_overdue(step: Step) -> Step:
    """No verdict within the carrier's own limit: a person."""
    return _person(step)


def _person(step: Step) -> Step:
    """Nothing changes, but for a notice that was heard already and stayed for this."""
    call = step.call
    said = call.has_voice and not call.is_speaking and not call.first_words and call.speech_started_at is None
    return voice.rest(step) if call.is_notice and said else step


def _machine(step: Step, by: AnsweredBy) -> Step:
    """Silence at once: nothing more is said, heard or thought for a machine, but for a message after its beep."""
    if step.call.waiter is not None:
        step = asks.fail_waiter(step, step.call.waiter.utterance, asks.NO_PERSON)
    step = asks.drop_agent(voice.cut(step)).disarm(Timer.NOTIFY_HANGUP, Timer.UNHEARD)
    step = step.having(first_words="", goodbye=None, speech_started_at=None, speech_token=None, interrupted=False)
    call = step.call
    if by is AnsweredBy.FAX or call.terms.on_machine is OnMachine.HANGUP or not call.for_machine:
        return ending.hang_up(step.having(detail=f"answered by a {by}"), EndReason.VOICEMAIL)
    step = step.having(beep_due=True)
    if call.is_native:
        step = step.ask(HearOut, leg=call.leg)
    return _await_beep(step)


def _await_beep(step: Step) -> Step:
    """How long to wait for the end of the greeting: where the carrier does not tell it, until the line is quiet."""
    call = step.call
    told = call.terms.tells_beep or call.is_native
    return step.arm(Timer.GREETING, step.at + (_GREETING_MAX_S if told or call.noisy else _QUIET_S))


def followed(step: Step, *, noisy: bool) -> Step:
    """The other side makes a sound, or falls silent: how a greeting ends where no carrier tells of its beep."""
    if not step.call.detects:
        return step
    step = step.having(noisy=noisy)
    return _await_beep(step) if step.call.beep_due and not step.call.terms.tells_beep else step


def greeting_ended(step: Step) -> Step:
    """The machine records from now on. Told without a verdict, it is one."""
    step = judged(step, AnsweredBy.MACHINE)
    return _leave_message(step) if step.call.beep_due else step.ignored()


def greeting_overdue(step: Step) -> Step:
    """The line is quiet, or nobody told us for too long: it records by now, if it ever does."""
    return _leave_message(step) if step.call.beep_due else step


def _leave_message(step: Step) -> Step:
    step = step.settle(HearOut).disarm(Timer.GREETING)
    step = step.having(beep_due=False, detail="left a message on a machine")
    return voice.say(step, step.call.for_machine, protected=True)
