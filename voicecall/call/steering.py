"""Steering: what an operator instructs the agent of a live call, and what the agent is to ask for them.

Pure. The caller hears neither. A hint joins the agent's next reply and stays known in the later ones, in order. A
question is a hint too: the agent asks it in its own words, with its next reply or, when no one speaks, at once, and
what the caller says next is the answer. How the agent is asked without a turn of the caller, `turns` knows.
"""

from dataclasses import replace
from typing import Final

from voicecall.call import requests, transcript
from voicecall.call.events import SpeakRequested, Timer
from voicecall.call.state import Call, Guidance, SteeredQuestion
from voicecall.call.step import Step

__all__ = ["answered", "joins_reply", "may_ask_now", "steer_requested"]

_KEPT: Final = 16
_NO_AGENT: Final = "No agent takes part in this call: it only says its message"
_WAITS: Final = "Already waiting for transcript"


def steer_requested(step: Step, event: SpeakRequested) -> Step:
    """A hint is accepted at once; a question is answered by the caller. One question waits at a time."""
    call = step.call
    if call.is_machine or call.is_notice:
        return _refuse(step, event, requests.NO_PERSON if call.is_machine else _NO_AGENT)
    if not event.asks:
        return _given(step, event).resolve(event.request, ok=True)
    waits = call.pending_continue is not None or any(waiting.listens for waiting in call.waiting)
    if waits or call.steering.question is not None:
        return _refuse(step, event, _WAITS)
    return _given(step, event).set_steering(question=SteeredQuestion(request=event.request))


def _refuse(step: Step, event: SpeakRequested, why: str) -> Step:
    return step.resolve(event.request, ok=False, text=why)


def _given(step: Step, event: SpeakRequested) -> Step:
    hint = Guidance(text=" ".join(event.guidance.split()), asks=event.asks)
    return step.set_steering(guidance=(*step.call.steering.guidance, hint)[-_KEPT:])


def joins_reply(step: Step) -> Step:
    """The agent is asked for a reply to the newest turn: what was given and not yet passed on goes with it."""
    call, question = step.call, step.call.steering.question
    if any(hint.turn is None for hint in call.steering.guidance):
        passed = (replace(hint, turn=call.turn) if hint.turn is None else hint for hint in call.steering.guidance)
        step = step.set_steering(guidance=tuple(passed))
    if question is None or question.turn is not None:
        return step
    limit_s = call.policy.reply_timeout_s + call.policy.transcript_timeout_s
    step = step.set_steering(question=replace(question, turn=call.turn))
    return step.arm(Timer.TRANSCRIPT, step.at + limit_s)


def may_ask_now(call: Call) -> bool:
    """Whether a question waits, and no one speaks or is about to: the agent may ask it without a turn of the caller."""
    question, floor = call.steering.question, call.floor
    if question is None or question.turn is not None or not call.has_voice or not call.phase.is_connected:
        return False
    is_busy = call.utterances or call.waiting or call.dtmf.queued or call.dtmf.typed or call.playback.opening_text
    speaks = floor.speech is not None or floor.held is not None or call.reply_due or floor.interrupted
    waits = call.pending_continue is not None or call.playback.hangup_after is not None or call.is_ending
    return not (is_busy or speaks or waits or floor.stt_down)


def answered(step: Step, text: str) -> Step:
    """The caller's turn is over: it answers the question, if any of that was heard. If not, it is asked again."""
    call, question = step.call, step.call.steering.question
    if question is None or question.turn is None:
        return step
    if transcript.said_of_turn(call, question.turn):
        return step.set_steering(question=None).disarm(Timer.TRANSCRIPT).resolve(question.request, ok=True, text=text)
    guidance = call.steering.guidance
    again = (replace(hint, turn=None) if hint.asks and hint.turn == question.turn else hint for hint in guidance)
    return step.set_steering(guidance=tuple(again), question=SteeredQuestion(request=question.request))
