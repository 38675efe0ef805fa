"""The media stream of a call: opened, lost, and opened again.

Pure. A lost socket does not end a call: the carrier is queried for the leg and opens a new socket if it can (guarantee
P7). Where no usable socket comes at all, the carrier itself speaks and listens. Does not know what is said.
"""

from typing import Final

from voicecall.call import consent, dtmf, hangup, playback, requests
from voicecall.call import leg as leg_rules
from voicecall.call.effects import LookUp, OpenStream
from voicecall.call.events import EndReason, StreamClosed, StreamOpened, StreamUnusable, Timer
from voicecall.call.state import Direction, MediaStream, Phase
from voicecall.call.step import Step
from voicecall.text.speakable import NOTHING

__all__ = [
    "connected",
    "opening_digits_sent",
    "reconnect_overdue",
    "stream_closed",
    "stream_opened",
    "stream_unusable",
]

_RESTART_S: Final = 30.0  # for the only ingress to be back: as long as carriers try to connect again by themselves
_NO_SOCKET: Final = "no media socket came from the carrier: does the proxy pass WebSocket upgrades on?"


def stream_opened(step: Step, event: StreamOpened) -> Step:
    """There is a way to the caller. A second socket for the call means that the first is lost."""
    call = step.call
    if call.is_native or (call.stream is not None and call.stream.id == event.stream):
        return step.ignored()
    if call.stream is not None:
        step = playback.repeat_all(step.replace(stream=None))
    step = leg_rules.adopt_leg(step, event.leg)
    step = step.settle(OpenStream).replace(stream=_media(event), had_stream=True)
    step = leg_rules.schedule_look_up(leg_rules.leg_answered(step).disarm(Timer.RECONNECT))
    if step.call.is_ending:
        return step
    return connected(step)


def _media(event: StreamOpened) -> MediaStream:
    return MediaStream(id=event.stream, ingress=event.ingress, pauses=event.pauses, records=event.records)


def connected(step: Step) -> Step:
    """There is a way to the caller: say what waited for it, then the opening text, then what was requested early.

    Opening digits come first; the opening text waits until they have been played.
    """
    step = playback.speak_queued(step)
    if step.call.dtmf.opening:
        step = dtmf.send_opening_digits(step)
    if Timer.OPENING in step.call.timers:
        return step.forward(Phase.ACTIVE)
    step = _inform_of_recording(step)
    if Timer.OPENING in step.call.timers:  # the answer decides what is recorded, so it comes first
        return step.forward(Phase.ACTIVE)
    text = step.call.playback.opening_text
    if not text:
        return playback.finished(requests.carry_out_waiting(step.forward(Phase.ACTIVE)))
    outbound = step.call.direction is Direction.OUTBOUND
    step = playback.say(step.set_playback(opening_text=NOTHING), text, protected=outbound)
    return requests.carry_out_waiting(step)


def _inform_of_recording(step: Step) -> Step:
    """Say that the call is recorded, or ask whether it may be, before anything else."""
    step, phrase = consent.opened(step)
    return step if phrase is None else playback.say(step, phrase, protected=True, on_recording=True)


def opening_digits_sent(step: Step) -> Step:
    """The opening digits have been played. If the way to the caller was lost, the opening text waits for the next."""
    return connected(step) if step.call.has_voice and not step.call.is_ending else step


def stream_closed(step: Step, event: StreamClosed) -> Step:
    """The socket is gone: the caller hung up or the connection broke, which only the carrier knows."""
    call = step.call
    if call.stream is None or call.stream.id != event.stream:
        return step.ignored()
    if call.is_transferring:
        return leg_rules.schedule_look_up(step.replace(stream=None))
    # While digits are sent there is no stream: it comes back after them.
    since = max(step.at, call.timers.get(Timer.DIGITS, step.at)) if call.is_sending_digits else step.at
    within_s = max(call.policy.reconnect_s, _RESTART_S) if event.resume_after_s > 0 else call.policy.reconnect_s
    step = step.replace(stream=None).arm(Timer.RECONNECT, since + within_s)
    step = playback.repeat_all(step)
    if event.resume_after_s > 0 and call.policy.by_command:
        # The query for the leg comes first, and its answer asks for the stream.
        return step.arm(Timer.LOOK_UP, step.at + event.resume_after_s)
    step = leg_rules.request_stream(step)
    if call.leg is not None and not step.is_pending(LookUp):
        step = step.request(LookUp(leg=call.leg))
    return leg_rules.schedule_look_up(step)


def stream_unusable(step: Step, event: StreamUnusable) -> Step:
    """A socket came whose audio cannot be decoded; another one would be the same."""
    if step.call.is_native or step.call.stream is not None:
        return step.ignored()
    return _give_up(leg_rules.leg_answered(leg_rules.adopt_leg(step, event.leg)), event.reason)


def _give_up(step: Step, reason: str) -> Step:
    """Go on without a media stream: from now on the carrier speaks and listens (`Call.is_native`)."""
    if step.call.is_ending:
        return step.replace(detail=reason)
    step = step.settle(OpenStream).disarm(Timer.RECONNECT).replace(stream_given_up=True, detail=reason)
    step = connected(leg_rules.schedule_look_up(step))
    call = step.call
    if call.utterances or call.is_notice or call.may_await_beep or Timer.OPENING in call.timers:
        return step
    # Nothing is to be said: the caller may have spoken already, and a carrier listens behind a prompt.
    return playback.say(step, step.call.phrases.not_caught)


def reconnect_overdue(step: Step) -> Step:
    """No socket for too long: the carrier itself speaks where none came at all, else the call ends."""
    if step.call.stream is not None:
        return step
    if not step.call.had_stream:
        return _give_up(leg_rules.leg_answered(step), _NO_SOCKET)
    reason = EndReason.HANGUP_BOT if step.call.transcript else EndReason.ERROR
    return hangup.hang_up(step.replace(detail=step.call.detail or "the media stream was lost"), reason)
