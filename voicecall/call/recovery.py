"""Fail-over: a new owner settles every effect whose outcome the last owner did not report.

Pure. What is done with a pending effect is in `RECOVERY`; what was being said is repeated under a new number.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from voicecall.call import leg as leg_rules
from voicecall.call import playback, transcript, turns
from voicecall.call.effects import (
    Answer,
    AskAgent,
    AskOwner,
    AwaitBeep,
    AwaitedEffect,
    Dial,
    FindLeg,
    HangUp,
    LookUp,
    OpenStream,
    RunTool,
    SendDigits,
    Speak,
    Transfer,
)
from voicecall.call.events import Reactivated, Takeover, Timer
from voicecall.call.state import Call
from voicecall.call.step import Step

__all__ = ["RECOVERY", "Recovery", "reactivated"]


class Recovery(StrEnum):
    """What a new owner does with a pending effect."""

    FIND_LEG = "the carrier is queried for the leg; never dialled again"
    AGAIN = "requested again: harmless to repeat"
    NEVER_AGAIN = "never sent again; its API client is answered that the outcome is unknown"
    SAY_AGAIN = "said again under a new number; what had begun is announced as a repetition"
    ASK_AGAIN = "asked again, with what the caller has already heard of the reply"
    IF_IDEMPOTENT = "run again where that is declared harmless; else its outcome is unknown to the agent"
    WAITS = "waits on"
    IF_UNSENT = "sent if the last owner has not claimed it; else its outcome is waited for"


RECOVERY: Final[Mapping[type[AwaitedEffect], Recovery]] = {
    Dial: Recovery.FIND_LEG,
    FindLeg: Recovery.FIND_LEG,
    LookUp: Recovery.AGAIN,
    HangUp: Recovery.AGAIN,
    Answer: Recovery.AGAIN,
    OpenStream: Recovery.AGAIN,
    AwaitBeep: Recovery.AGAIN,
    SendDigits: Recovery.NEVER_AGAIN,
    Speak: Recovery.SAY_AGAIN,
    AskAgent: Recovery.ASK_AGAIN,
    RunTool: Recovery.IF_IDEMPOTENT,
    AskOwner: Recovery.WAITS,
    Transfer: Recovery.IF_UNSENT,
}
"""What is done with each effect that is pending when a new owner takes the call up."""

_TRANSCRIPT_LOST_S = 6.0  # how long the caller, whose last words may be lost, is left without a reply


def reactivated(step: Step, event: Reactivated, *, waits_for_tools: bool = False) -> Step:
    """A new owner has the call: continue where the last one stopped. `waits_for_tools`: the agent is asked later."""
    call = step.call
    step = step.replace(reactivations=call.reactivations + 1).set_floor(stt_down=False)
    step = playback.forget_tones(_settle_pending(step, call))
    if step.call.has_voice:  # speech may have waited for digits whose outcome is settled now
        step = playback.repeat_all(
            step, keep_begun=event.cause is Takeover.HANDED_OVER or call.is_relayed, keep_own=True
        )
    if call.reply_due and not call.is_ending and not waits_for_tools:
        said = transcript.said_of_turn(step.call, call.turn)
        return turns.ask_agent(step.settle(AskAgent), said)
    return _await_repetition(step) if _is_speech_lost(call, event.cause) else step


def _is_speech_lost(call: Call, cause: Takeover) -> bool:
    """Whether the last owner may have taken speech with it: begun without a transcript, or sent to it unheard."""
    return call.caller_is_speaking or cause is Takeover.LAPSED


def _await_repetition(step: Step) -> Step:
    """It was the caller's turn, and a transcript may be lost: ask the caller to repeat if none comes."""
    call = step.call
    speaking = call.stream is None or call.is_speaking or call.is_notice
    if speaking or call.is_ending or call.pending_continue is not None:
        return step
    return step.set_floor(interrupted=True).arm(Timer.UNHEARD, step.at + _TRANSCRIPT_LOST_S)


def _settle_pending(step: Step, call: Call) -> Step:
    for effect in call.pending.values():
        match RECOVERY[type(effect)]:
            case Recovery.FIND_LEG:
                step = leg_rules.find_leg(step.settle(type(effect)))
            case Recovery.AGAIN:
                step = step.settle(type(effect)).request(effect)
            case Recovery.NEVER_AGAIN:
                step = _give_up(step, effect)
            case Recovery.IF_IDEMPOTENT:
                step = step.settle_one(effect.id)
                step = step.request(effect) if isinstance(effect, RunTool) and effect.idempotent else step
            case Recovery.SAY_AGAIN | Recovery.ASK_AGAIN:
                continue  # settled by `reactivated`, together with what is queued
            case Recovery.WAITS:
                continue
            case Recovery.IF_UNSENT:
                step = step.send_again(effect)
    return step


def _give_up(step: Step, effect: AwaitedEffect) -> Step:
    step = step.settle_one(effect.id)
    request = effect.request if isinstance(effect, SendDigits) else None
    return step.resolve(request, ok=False, text="outcome unknown: the keys may have been pressed")
