"""The media stream of a call: opened, lost, and found again.

Pure. Knows that a socket carries the speech and that sockets break; does not know what is said on it. A lost socket
does not end a call: the carrier is asked how the leg is, and brings a new one if it can (reliability P7).
"""

from voicecall.call import dtmf, hangup, playback
from voicecall.call import leg as leg_rules
from voicecall.call.effects import LookUp, OpenStream
from voicecall.call.events import EndReason, StreamClosed, StreamOpened, Timer
from voicecall.call.state import Direction, MediaStream, Phase
from voicecall.call.step import Step

__all__ = ["connected", "opening_digits_sent", "reconnect_overdue", "stream_closed", "stream_opened"]


def stream_opened(step: Step, event: StreamOpened) -> Step:
    """The caller can hear us now. A second socket for the call means that the first is lost."""
    call = step.call
    if call.stream is not None and call.stream.id == event.stream:
        return step.ignored()
    if call.stream is not None:
        step = playback.repeat_all(step.replace(stream=None))
    step = leg_rules.adopt_leg(step, event.leg)
    step = step.settle(OpenStream).replace(stream=MediaStream(id=event.stream, ingress=event.ingress))
    step = leg_rules.schedule_look_up(leg_rules.leg_answered(step).disarm(Timer.RECONNECT))
    if step.call.ending is not None:
        return step
    return connected(step)


def connected(step: Step) -> Step:
    """There is a way to the caller's ear: the first words go out, and whatever waited for it.

    Keys that whoever placed the call wants pressed come first; the words wait until the other side has heard them.
    """
    step = playback.speak_queued(step)
    if step.call.opening_digits:
        step = dtmf.send_opening_digits(step)
    if Timer.OPENING in step.call.timers:
        return step.forward(Phase.ACTIVE)
    words = step.call.opening_text
    if not words:
        return playback.rest(step.forward(Phase.ACTIVE))
    outbound = step.call.direction is Direction.OUTBOUND
    return playback.say(step.replace(opening_text=""), words, protected=outbound)


def opening_digits_sent(step: Step) -> Step:
    """The keys have been heard. If the way to the ear was lost meanwhile, the words wait for the next one."""
    return connected(step) if step.call.has_voice and step.call.ending is None else step


def stream_closed(step: Step, event: StreamClosed) -> Step:
    """The socket is gone: did the caller hang up, or did something break? Only the carrier knows."""
    call = step.call
    if call.stream is None or call.stream.id != event.stream:
        return step.ignored()
    # While keys are pressed there is no stream: it comes back behind them.
    since = max(step.at, call.timers.get(Timer.DIGITS, step.at)) if call.is_sending_digits else step.at
    step = step.replace(stream=None).arm(Timer.RECONNECT, since + call.policy.reconnect_s)
    step = playback.repeat_all(step)
    step = leg_rules.request_stream(step)
    if call.leg is not None and not step.is_pending(LookUp):
        step = step.request(LookUp(leg=call.leg))
    return leg_rules.schedule_look_up(step)


def reconnect_overdue(step: Step) -> Step:
    """No socket for too long: a call in which nobody can speak is ended."""
    if step.call.stream is not None:
        return step
    reason = EndReason.HANGUP_BOT if step.call.transcript else EndReason.ERROR
    return hangup.hang_up(step.replace(detail=step.call.detail or "the media stream was lost"), reason)
