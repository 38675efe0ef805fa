"""DTMF: digits the caller presses, and digits to be sent.

Pure. A carrier that replaces the leg's media to send digits (`CallPolicy.digits_replace_media`) sends them while
nothing is said, so queued digits wait for silence; other carriers send them at once. Digits are never sent twice.
"""

from typing import Final

from voicecall.call import hangup, playback
from voicecall.call.effects import SendDigits
from voicecall.call.events import CommandDone, CommandFailed, DigitsRequested, DtmfReceived, Timer
from voicecall.call.state import QueuedDigits
from voicecall.call.step import Step

__all__ = [
    "command_settled",
    "digits_overdue",
    "digits_requested",
    "dtmf_received",
    "send_opening_digits",
    "send_queued_digits",
]

_DIGITS_KEPT: Final = 128
_QUIET_WITHIN_S: Final = 25.0  # an API client waits 30 s for the answer
_DIGIT_MAX_S: Final = 1.0  # the longest that one digit or pause takes
_DIGITS_MARGIN_S: Final = 10.0
_TONE_S: Final = 0.5  # one digit and the silence after it
_PAUSES_S: Final = {"w": 0.5, "W": 1.0, "p": 1.0, "P": 1.0, ",": 1.0}
_TONES_MARGIN_S: Final = 1.0  # from the command to the first tone


def dtmf_received(step: Step, event: DtmfReceived) -> Step:
    return step.replace(digits=(step.call.digits + event.digits)[-_DIGITS_KEPT:])


def digits_requested(step: Step, event: DigitsRequested) -> Step:
    call = step.call
    if call.leg is None or not call.phase.is_connected:
        return step.resolve(event.request, ok=False, text="Call not connected")
    if call.ending is not None:
        return step.resolve(event.request, ok=False, text="Call has ended")
    if not call.policy.digits_replace_media:
        return step.request(SendDigits(leg=call.leg, digits=event.digits, request=event.request))
    queued = (*call.queued_digits, QueuedDigits(request=event.request, digits=event.digits))
    step = step.replace(queued_digits=queued)
    return step if Timer.DIGITS in call.timers else step.arm(Timer.DIGITS, step.at + _QUIET_WITHIN_S)


def send_queued_digits(step: Step) -> Step:
    """Send the next queued digits if neither party speaks. Utterances requested meanwhile wait until they are sent."""
    call = step.call
    if not call.queued_digits or call.leg is None or not call.has_voice or call.ending is not None:
        return step
    if call.utterances or call.speech_started_at is not None:
        return step
    first, *rest = call.queued_digits
    step = step.request(SendDigits(leg=call.leg, digits=first.digits, request=first.request))
    takes_s = len(first.digits) * _DIGIT_MAX_S + _DIGITS_MARGIN_S
    return step.replace(queued_digits=tuple(rest)).arm(Timer.DIGITS, step.at + takes_s)


def send_opening_digits(step: Step) -> Step:
    """Send the opening digits of an outbound call, once.

    A carrier that replaces the media to send them reports when it has; with the others the duration is computed.
    """
    call = step.call
    if call.leg is None:
        return step
    step = step.replace(opening_digits="").request(SendDigits(leg=call.leg, digits=call.opening_digits))
    if call.policy.digits_replace_media:
        return step.arm(Timer.DIGITS, step.at + len(call.opening_digits) * _DIGIT_MAX_S + _DIGITS_MARGIN_S)
    tones_s = sum(_PAUSES_S.get(digit, _TONE_S) for digit in call.opening_digits)
    return step.arm(Timer.OPENING, step.at + _TONES_MARGIN_S + tones_s)


def command_settled(step: Step, event: CommandDone | CommandFailed) -> Step:
    """The outcome of a command. When it was the last `SendDigits`, speech goes on."""
    was_sending = step.call.is_sending_digits
    step = hangup.command_done(step, event) if isinstance(event, CommandDone) else hangup.command_failed(step, event)
    return _resume_speech(step) if was_sending and not step.call.is_sending_digits else step


def digits_overdue(step: Step) -> Step:
    """There was no silence for too long, or the carrier never reported that the digits were sent."""
    for effect in step.call.pending.values():
        if isinstance(effect, SendDigits):
            step = step.settle(SendDigits, id=effect.id)
            step = step.resolve(effect.request, ok=False, text="outcome unknown: the keys may have been pressed")
            return _resume_speech(step)
    for queued in step.call.queued_digits:
        step = step.resolve(queued.request, ok=False, text="nothing was pressed: nobody was silent for long enough")
    return step.replace(queued_digits=())


def _resume_speech(step: Step) -> Step:
    step = step.disarm(Timer.DIGITS)
    if step.call.queued_digits:
        step = step.arm(Timer.DIGITS, step.at + _QUIET_WITHIN_S)
    return playback.speak_queued(step) if step.call.has_voice and step.call.ending is None else step
