"""DTMF: digits the caller presses, and digits to be sent.

Pure. What the caller keys in counts as said, once it is complete: at "#", or when no further key follows.

A carrier that replaces the leg's media to send digits (`CallPolicy.digits_replace_media`) sends them while nothing is
said, so queued digits wait for silence; other carriers send them at once. Digits are never sent twice.
"""

from typing import Final

from voicecall.call import hangup, phrases, playback, turns
from voicecall.call.effects import SendDigits
from voicecall.call.events import CommandDone, CommandFailed, DigitsRequested, DtmfReceived, Timer
from voicecall.call.ids import RequestId
from voicecall.call.state import QueuedDigits
from voicecall.call.step import Step

__all__ = [
    "command_done",
    "command_failed",
    "digits_overdue",
    "digits_requested",
    "dtmf_received",
    "keys_complete",
    "queue",
    "send_opening_digits",
    "send_queued_digits",
]

_DIGITS_KEPT: Final = 128
_END: Final = "#"
_QUIET_WITHIN_S: Final = 25.0  # an API client waits 30 s for the answer
_DIGIT_MAX_S: Final = 1.0  # the longest that one digit or pause takes
_DIGITS_MARGIN_S: Final = 10.0
_TONE_S: Final = 0.5  # one digit and the silence after it
_PAUSES_S: Final = {"w": 0.5, "W": 1.0, "p": 1.0, "P": 1.0, ",": 1.0}
_TONES_MARGIN_S: Final = 1.0  # from the command to the first tone


def dtmf_received(step: Step, event: DtmfReceived) -> Step:
    """The caller pressed keys. Where a stream is used it reports them, in order; a webhook (`leg`) repeats them."""
    if event.leg is not None and not step.call.is_native:
        return step.ignored()
    call = step.call
    step = step.set_dtmf(received=(call.digits + event.digits)[-_DIGITS_KEPT:])
    if call.leg is None or call.is_notice or call.is_ending:
        return step
    if not call.dtmf.typed:
        question = call.pending_continue
        step = step.set_dtmf(typed_for=None if question is None else question.request)
    step = step.set_dtmf(typed=(call.dtmf.typed + event.digits)[-_DIGITS_KEPT:])
    if event.digits.endswith(_END) and not call.is_protected:
        return keys_complete(step)
    return step.arm(Timer.TYPED, step.at + call.policy.turns.keys_after_s)


def keys_complete(step: Step) -> Step:
    """No further key follows: what the caller keyed in answers the `continue`, or is a turn for the agent."""
    dtmf = step.call.dtmf
    if not dtmf.typed:
        return step
    if step.call.is_protected:
        return step.arm(Timer.TYPED, step.at + step.call.policy.turns.keys_after_s)
    step = step.set_dtmf(typed="", typed_for=None).disarm(Timer.TYPED)
    return turns.keyed(step, phrases.PRESSED.format(digits=dtmf.typed), dtmf.typed_for)


def digits_requested(step: Step, event: DigitsRequested) -> Step:
    call = step.call
    if call.leg is None or not call.phase.is_connected:
        return step.resolve(event.request, ok=False, text="Call not connected")
    if not call.policy.digits_replace_media:
        return step.request(SendDigits(leg=call.leg, digits=event.digits, request=event.request))
    return queue(step, event.digits, request=event.request)


def queue(step: Step, digits: str, *, request: RequestId | None = None, tool: int = 0) -> Step:
    """Digits that wait for silence."""
    step = step.set_dtmf(queued=(*step.call.dtmf.queued, QueuedDigits(request=request, digits=digits, tool=tool)))
    call = step.call
    return step if Timer.DIGITS in call.timers else step.arm(Timer.DIGITS, step.at + _QUIET_WITHIN_S)


def send_queued_digits(step: Step) -> Step:
    """Send the next queued digits if neither party speaks. Utterances requested meanwhile wait until they are sent."""
    call = step.call
    if not call.dtmf.queued or call.leg is None or not call.has_voice or call.is_ending:
        return step
    if call.utterances or call.caller_is_speaking:
        return step
    first, *rest = call.dtmf.queued
    step = step.request(SendDigits(leg=call.leg, digits=first.digits, request=first.request, tool=first.tool))
    takes_s = len(first.digits) * _DIGIT_MAX_S + _DIGITS_MARGIN_S
    return step.set_dtmf(queued=tuple(rest)).arm(Timer.DIGITS, step.at + takes_s)


def send_opening_digits(step: Step) -> Step:
    """Send the opening digits of an outbound call, once.

    A carrier that replaces the media to send them reports when it has; with the others the duration is computed.
    """
    call, digits = step.call, step.call.dtmf.opening
    if call.leg is None:
        return step
    step = step.set_dtmf(opening="").request(SendDigits(leg=call.leg, digits=digits))
    if call.policy.digits_replace_media:
        return step.arm(Timer.DIGITS, step.at + len(digits) * _DIGIT_MAX_S + _DIGITS_MARGIN_S)
    tones_s = sum(_PAUSES_S.get(digit, _TONE_S) for digit in digits)
    return step.arm(Timer.OPENING, step.at + _TONES_MARGIN_S + tones_s)


def command_done(step: Step, event: CommandDone) -> Step:
    """A command was accepted. When it was the last `SendDigits`, speech goes on."""
    return _resume_speech(step, hangup.command_done(step, event))


def command_failed(step: Step, event: CommandFailed) -> Step:
    """A command failed. When it was the last `SendDigits`, speech goes on."""
    return _resume_speech(step, hangup.command_failed(step, event))


def digits_overdue(step: Step) -> Step:
    """There was no silence for too long, or the carrier never reported that the digits were sent."""
    for effect in step.call.pending.values():
        if isinstance(effect, SendDigits):
            step = step.settle_one(effect.id)
            step = step.resolve(effect.request, ok=False, text="outcome unknown: the keys may have been pressed")
            return _speak_again(step)
    for queued in step.call.dtmf.queued:
        step = step.resolve(queued.request, ok=False, text="no keys were pressed: the line was never silent")
    return step.set_dtmf(queued=())


def _resume_speech(before: Step, step: Step) -> Step:
    return _speak_again(step) if before.call.is_sending_digits and not step.call.is_sending_digits else step


def _speak_again(step: Step) -> Step:
    step = step.disarm(Timer.DIGITS)
    if step.call.dtmf.queued:
        step = step.arm(Timer.DIGITS, step.at + _QUIET_WITHIN_S)
    return playback.speak_queued(step) if step.call.has_voice and not step.call.is_ending else step
