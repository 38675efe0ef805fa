"""The media stream of a call: opened, lost, and found again.

Pure. Knows that a socket carries the speech and that sockets break; does not know what is said on it. A lost socket
does not end a call: the carrier is asked how the leg is, and brings a new one if it can (reliability P7).
"""

from voicecall.call import asks, control, ending, voice
from voicecall.call.effects import LookUp, OpenStream
from voicecall.call.events import EndReason, StreamClosed, StreamOpened, Timer
from voicecall.call.state import Direction, Phase, Stream
from voicecall.call.step import Step

__all__ = ["connected", "keys_heard", "never_came_back", "stream_closed", "stream_opened"]


def stream_opened(step: Step, event: StreamOpened) -> Step:
    """The caller can hear us now. A second socket for the call means that the first is lost."""
    call = step.call
    if call.stream is not None and call.stream.id == event.stream:
        return step.ignored()
    if call.stream is not None:
        step = voice.say_everything_again(step.having(stream=None))
    step = control.adopt_leg(step, event.leg)
    step = step.settle(OpenStream).having(stream=Stream(id=event.stream, ingress=event.ingress))
    step = control.expect_news(control.leg_answered(step).disarm(Timer.RECONNECT))
    if step.call.ending is not None:
        return step
    return connected(step)


def connected(step: Step) -> Step:
    """There is a way to the caller's ear: the first words go out, and whatever waited for it.

    Keys that whoever placed the call wants pressed come first; the words wait until the other side has heard them.
    """
    step = voice.give_waiting(step)
    if step.call.opening_keys:
        step = asks.press_opening_keys(step)
    if Timer.OPENING in step.call.timers:
        return step.forward(Phase.ACTIVE)
    words = step.call.first_words
    if not words:
        return voice.rest(step.forward(Phase.ACTIVE))
    outbound = step.call.direction is Direction.OUTBOUND
    return voice.say(step.having(first_words=""), words, protected=outbound)


def keys_heard(step: Step) -> Step:
    """The keys have been heard. If the way to the ear was lost meanwhile, the words wait for the next one."""
    return connected(step) if step.call.has_voice and step.call.ending is None else step


def stream_closed(step: Step, event: StreamClosed) -> Step:
    """The socket is gone: did the caller hang up, or did something break? Only the carrier knows."""
    call = step.call
    if call.stream is None or call.stream.id != event.stream:
        return step.ignored()
    # While keys are pressed there is no stream: it comes back behind them.
    since = max(step.at, call.timers.get(Timer.KEYS, step.at)) if call.is_pressing else step.at
    step = step.having(stream=None).arm(Timer.RECONNECT, since + call.terms.reconnect_s)
    step = voice.say_everything_again(step)
    step = control.ask_stream(step)
    if call.leg is not None and not step.is_pending(LookUp):
        step = step.ask(LookUp, leg=call.leg)
    return control.expect_news(step)


def never_came_back(step: Step) -> Step:
    """No socket for too long: a call in which nobody can speak is ended."""
    if step.call.stream is not None:
        return step
    reason = EndReason.HANGUP_BOT if step.call.transcript else EndReason.ERROR
    return ending.hang_up(step.having(detail=step.call.detail or "the media stream was lost"), reason)
