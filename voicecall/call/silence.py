"""A caller who says nothing: asked once whether they are still there, then the bot says goodbye and hangs up.

Pure. `decide` calls `watch` after each event: the time runs only while it is the caller's turn and nothing else goes
on. Knows the state of the call; knows no event.
"""

from voicecall.call import playback
from voicecall.call.events import EndReason, Timer
from voicecall.call.state import Call, Party, Phase
from voicecall.call.step import Step

__all__ = ["silence_over", "watch"]

_DETAIL = "the caller said nothing"


def watch(step: Step) -> Step:
    """Start the time when the caller's turn begins, stop it when anything happens."""
    timed = Timer.SILENCE in step.call.timers
    if not _is_callers_turn(step.call):
        return step.disarm(Timer.SILENCE) if timed else step
    return step if timed else step.arm(Timer.SILENCE, step.at + step.call.policy.turns.silence_s)


def _is_callers_turn(call: Call) -> bool:
    """It is for the caller to speak, and they do not: no reply, request, key or command is under way either.

    Where the carrier listens itself, it is not known when the caller begins to speak. After an answer to a `continue`
    it is the API client's turn: the caller spoke last.
    """
    if call.policy.turns.silence_s <= 0 or call.stream is None or call.phase is not Phase.LISTENING:
        return False
    floor = call.floor
    waits = call.reply_due or call.caller_is_speaking or floor.held is not None or call.pending_continue is not None
    acts = bool(call.utterances or call.waiting or call.dtmf.queued or call.dtmf.typed) or not call.has_voice
    other = call.is_notice or call.is_ending or call.may_await_beep or floor.stt_down or floor.interrupted
    return not (waits or acts or other) and (not call.transcript or call.transcript[-1].speaker is Party.BOT)


def silence_over(step: Step) -> Step:
    """The caller has said nothing for too long: ask once whether they are there, then say goodbye and hang up."""
    if not step.call.floor.prompted:
        return playback.say(step.set_floor(prompted=True), step.call.phrases.still_there)
    step = step.set_playback(hangup_after=EndReason.HANGUP_BOT).replace(detail=_DETAIL)
    return playback.say(step, step.call.phrases.silence_goodbye, protected=True)
