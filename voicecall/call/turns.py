"""Turns: what the caller says until they are silent, and the reply to it.

Pure. Knows words and turns; whether a sound takes the floor, `interruption` knows. The rules, in order of precedence:

- A caller who speaks has the floor: speech is cut, and the transcript keeps only what was heard.
- A turn is over when the caller has been silent for a while; what they add until then belongs to it. Where a turn model
  judges the pause, the while is short for a turn that sounds complete and long for one that does not.
- A reply to an older turn is never spoken.
- While a `continue` is pending, the caller's turn answers it, and the agent is not asked.
- A caller who waits is never left in silence: for a late or failing agent or voice there is an apology (guarantee P13).
"""

from dataclasses import replace
from typing import Final

from voicecall.call import consent, playback, requests, steering, transcript
from voicecall.call import leg as leg_rules
from voicecall.call.effects import AskAgent
from voicecall.call.events import (
    AgentDone,
    AgentFailed,
    AgentSaid,
    EndReason,
    Heard,
    SpeechFailed,
    SttFailed,
    Timer,
)
from voicecall.call.ids import RequestId
from voicecall.call.policy import Endpointing
from voicecall.call.state import Call, CallerSpeech, HeldTurn, PendingReply, Phase, Utterance
from voicecall.call.step import Step
from voicecall.call.waits import TurnWait
from voicecall.text.speakable import Speakable

__all__ = [
    "SPEECH_MAX_S",
    "agent_done",
    "agent_failed",
    "agent_said",
    "agent_slow",
    "agent_too_late",
    "ask_agent",
    "ask_for_operator",
    "caller_goes_on",
    "heard",
    "judged",
    "keyed",
    "speech_failed",
    "stt_failed",
    "stt_lost",
    "stt_recovered",
    "turn_over",
    "unheard_question",
]

SPEECH_MAX_S: Final = 30.0
"""The longest utterance of a caller that is waited for."""

_WEIGHT_OF_PAST: Final = 0.9  # in the moving average of a caller's pauses
_NO_WAIT_S: Final = 0.02  # a timer for less is not worth its commit
_FAILURES_BEFORE_GOODBYE: Final = 2


# --- the caller's turn --------------------------------------------------------------------------------------------


def caller_goes_on(step: Step) -> Step:
    """The caller begins to speak: a turn that was about to end does not, and the pause before is one within a turn."""
    step = step.disarm(Timer.TURN)
    call, policy, since = step.call, step.call.policy.turns, step.call.floor.silent_since
    within_turn = call.floor.held is not None or (call.reply_due and not call.is_speaking)
    if policy.endpointing is not Endpointing.DYNAMIC or since is None or not within_turn:
        return step
    pause_s = step.at - since
    if pause_s > policy.max_delay_s:
        return step
    average_s = policy.min_delay_s if call.floor.pause_s is None else call.floor.pause_s
    return step.set_floor(pause_s=_WEIGHT_OF_PAST * average_s + (1 - _WEIGHT_OF_PAST) * pause_s, silent_since=None)


def heard(step: Step, event: Heard) -> Step:
    """Words of the caller: the answer to the pending `continue`, or a turn for the agent, or a part of either."""
    call, question = step.call, step.call.pending_continue
    text = event.text.strip()
    # A carrier's stale callback is ignored before anything is cut.
    if call.leg is None or call.is_protected or call.is_transferring or requests.is_stale(call, event):
        return step.ignored()
    step = leg_rules.leg_answered(step)
    if requests.precedes_question(call, event):
        return _record(step, text).ignored()
    token, unheard = requests.turn_token(call, event), unheard_question(call)
    step = _floor_to_caller(step, _speech_after(call, event)).disarm(Timer.UNHEARD)
    if event.language:
        step = step.set_floor(language=event.language)
    if event.silent_ms is not None:
        step = step.set_floor(silent_since=step.at - event.silent_ms / 1000)
    step = step.set_floor(wait=_wait_heard(step, call.floor.wait, event))
    if unheard and event.turn_token is None and call.floor.speech is None:
        # Nothing but this transcript shows that the caller interrupted what was said before the question.
        step, question = requests.fail_continue(step, unheard[-1].no, playback.NOT_HEARD), None
    if question is None and call.is_notice:
        return playback.finished(_record(requests.cancel_reply(step), text))
    if question is not None and token != question.request:
        # The caller began to speak before the question: this is no answer to it.
        return playback.ask_again(_record(step, text).ignored(), unheard)
    return _await_end(_hold(step, text), event.silent_ms, event.turn_complete)


def judged(step: Step, complete: float) -> Step:
    """The turn model's judgement came after the transcript: the turn that is held ends sooner or later."""
    since = step.call.floor.silent_since
    if since is None or step.call.floor.held is None or Timer.TURN not in step.call.timers:
        return step.ignored()
    return _await_end(step, max(1, round((step.at - since) * 1000)), complete)


def unheard_question(call: Call) -> tuple[Utterance, ...]:
    """The question of the pending `continue`, in its parts, while nothing of it has begun."""
    question = call.pending_continue
    return playback.unheard(call, question.utterance) if question is not None else ()


def keyed(step: Step, text: str, token: RequestId | None) -> Step:
    """What the caller keyed in, in words; it counts as said. `token`: of the `continue` that was pending then."""
    question = step.call.pending_continue
    step = _floor_to_caller(leg_rules.leg_answered(step), None).disarm(Timer.UNHEARD, Timer.TURN)
    if question is not None and token != question.request:
        return _record(step, text).ignored()
    return turn_over(_hold(step, text))


def _floor_to_caller(step: Step, speech: CallerSpeech | None) -> Step:
    step = step.set_floor(speech=speech, interrupted=False, reply_cut=False, heard_at=step.at, prompted=False)
    step = step.disarm(Timer.NOTIFY_HANGUP, Timer.CONFIRM, Timer.RESUME)
    return playback.cut(step).forward(Phase.LISTENING)


def _speech_after(call: Call, event: Heard) -> CallerSpeech | None:
    """The utterance that the caller has begun since the one of this transcript."""
    speech = call.floor.speech
    goes_on = speech is not None and not speech.faint and event.silent_ms == 0
    return replace(speech, unsure=False) if speech is not None and goes_on else None


def _wait_heard(step: Step, wait: TurnWait | None, event: Heard) -> TurnWait:
    """The transcript came. Without a report that the caller fell silent, it says when that was."""
    if wait is None or wait.heard_at is not None:
        wait = TurnWait(silent_at=step.at - (event.silent_ms or 0) / 1000)
    stopped_at = wait.stopped_at if event.stopped_ms is None else step.at - event.stopped_ms / 1000
    return replace(wait, stopped_at=stopped_at, heard_at=step.at)


def _record(step: Step, text: str) -> Step:
    return step.with_call(transcript.heard(step.call, text, step.at))


def _hold(step: Step, text: str) -> Step:
    """Add words to the turn that is not over."""
    held, question = step.call.floor.held, step.call.pending_continue
    step = requests.cancel_reply(step.with_call(transcript.heard(step.call, text, step.at, joined=held is not None)))
    whole = text if held is None else f"{held.text} {text}"
    return step.set_floor(held=HeldTurn(text=whole, answers=None if question is None else question.request))


def _await_end(step: Step, silent_ms: int | None, complete: float | None) -> Step:
    """End the turn when the caller has been silent for long enough: at once, where the recogniser waited already.

    `complete`: how likely it is over, by the turn model.
    """
    if silent_ms == 0:  # they speak again: what they say belongs to this turn
        return step.arm(Timer.UNHEARD, step.at + SPEECH_MAX_S)
    wait_s = 0.0 if silent_ms is None else _delay_s(step.call, complete) - silent_ms / 1000
    return step.arm(Timer.TURN, step.at + wait_s) if wait_s > _NO_WAIT_S else turn_over(step)


def _delay_s(call: Call, complete: float | None) -> float:
    policy, pause_s = call.policy.turns, call.floor.pause_s
    if complete is not None:
        return policy.min_delay_s if complete > policy.complete_above else policy.max_delay_s
    if policy.endpointing is Endpointing.FIXED or pause_s is None:
        return policy.min_delay_s
    return min(max(pause_s, policy.min_delay_s), policy.max_delay_s)


def turn_over(step: Step) -> Step:
    """The caller has been silent for long enough: their turn is over, and it is answered."""
    held, question = step.call.floor.held, step.call.pending_continue
    if held is None:
        return step
    step = step.set_floor(held=None).disarm(Timer.TURN)
    if question is not None and held.answers == question.request:
        return requests.answer_continue(step, question, held.text)
    if question is not None or step.call.is_ending:
        return step
    if consent.awaits_answer(step.call):
        step, is_answer = consent.answered(step, held.text)
        if is_answer:
            return step
    return ask_agent(steering.answered(step, held.text).set_floor(turn=step.call.turn + 1))


# --- speech recognition -------------------------------------------------------------------------------------------


def stt_lost(step: Step) -> Step:
    """Speech recognition broke off: inform the caller, once."""
    call = step.call
    if call.floor.stt_down or call.playback.hangup_after is not None or call.is_notice or call.is_native:
        return step.ignored()
    return playback.say(step.set_floor(stt_down=True), step.call.phrases.stt_lost)


def stt_recovered(step: Step) -> Step:
    """Speech recognition is back: inform the caller. A transcript of what was buffered interrupts this."""
    call = step.call
    if not call.floor.stt_down:
        return step.ignored()
    step = step.set_floor(stt_down=False)
    if call.is_ending or call.playback.hangup_after is not None:
        return step
    return playback.say(step, step.call.phrases.stt_recovered)


def stt_failed(step: Step, event: SttFailed) -> Step:
    """Speech recognition failed for good: apologise and hang up. A notice needs none and goes on."""
    call = step.call
    if call.playback.hangup_after is not None or call.is_notice or call.is_native:
        return step.ignored()
    reason = f"hearing failed: {event.reason}"
    if call.pending_continue is not None:
        step = requests.fail_continue(step, call.pending_continue.utterance, reason)
    step = requests.cancel_reply(playback.cut(step)).set_playback(hangup_after=EndReason.ERROR).replace(detail=reason)
    return playback.say(step, step.call.phrases.stt_failed, protected=True, or_clip=True)


# --- the agent's reply --------------------------------------------------------------------------------------------


def ask_agent(step: Step, said: tuple[str, ...] = ()) -> Step:
    """Ask the agent for a reply to the newest turn; the timers limit the silence until it comes."""
    policy = step.call.policy
    step = steering.joins_reply(step)
    step = step.request(AskAgent(turn=step.call.turn, said=said))
    wait = step.call.floor.wait
    if wait is not None and wait.first_text_at is None:
        is_first = wait.asked_at is None
        asked = replace(wait, asked_at=step.at) if is_first else replace(wait, asked_again_at=step.at)
        step = step.set_floor(wait=asked)
    if not step.call.reply_due:
        step = step.set_floor(reply=PendingReply())
    return step.arm(Timer.FILLER, step.at + policy.filler_after_s).arm(Timer.REPLY, step.at + policy.reply_timeout_s)


def ask_for_operator(step: Step) -> Step:
    """An operator's question waits, and no one speaks: the agent asks it without a turn of the caller."""
    question = step.call.steering.question
    if question is None or not steering.may_ask_now(step.call):
        return step
    step = step.set_steering(question=replace(question, unprompted=True))
    return ask_agent(step.set_floor(turn=step.call.turn + 1, wait=None, heard_at=None))


def agent_said(step: Step, event: AgentSaid) -> Step:
    call, reply = step.call, step.call.floor.reply
    text = Speakable(event.text.strip())  # sentences are read from the reply as plain text (`speech/sentences.py`)
    if event.turn != call.turn or reply is None or not text:
        return step.ignored()
    step = _first_text(step, event)
    if call.is_native:
        # One prompt replaces another there: sent sentence by sentence, only the last would be heard.
        return step.set_floor(failures=0, reply=PendingReply(text=Speakable(f"{reply.text} {text}".strip())))
    if event.item:
        return _agent_spoke(step, event, reply, text)
    return playback.say(step.disarm(Timer.FILLER).set_floor(failures=0), text, turn=event.turn)


def _agent_spoke(step: Step, event: AgentSaid, reply: PendingReply, text: Speakable) -> Step:
    """An agent that speaks itself: its audio is one utterance, whose text grows while it is heard."""
    if event.item == reply.item:
        return playback.extend(step, reply.utterance, text, event.audio_ms)
    reply = replace(reply, item=event.item, utterance=step.call.playback.made + 1)
    step = step.disarm(Timer.FILLER).set_floor(failures=0, reply=reply)
    return playback.say(step, text, turn=event.turn, item=event.item, lasts_ms=event.audio_ms)


def _first_text(step: Step, event: AgentSaid) -> Step:
    wait = step.call.floor.wait
    if event.first_text_ms is None or wait is None or wait.asked_at is None or wait.first_text_at is not None:
        return step
    again_at = wait.asked_again_at
    connected_at = None if event.connect_ms is None or again_at else wait.asked_at + event.connect_ms / 1000
    return step.set_floor(
        wait=replace(
            wait,
            connected_at=connected_at,
            first_text_at=(again_at or wait.asked_at) + event.first_text_ms / 1000,
            tool_s=wait.tool_s + (event.tool_ms or 0) / 1000,
            tools=(*wait.tools, *(event.tools or ())),
            saved_ms=event.saved_ms,
        )
    )


def agent_done(step: Step, event: AgentDone) -> Step:
    reply = step.call.floor.reply
    if event.turn != step.call.turn or reply is None:
        return step.ignored()
    queued = any(utterance.turn == event.turn for utterance in step.call.utterances)
    if not (reply.text or queued or event.ends_call or transcript.said_of_turn(step.call, event.turn)):
        return _apologise(
            _reply_over(step), step.call.phrases.agent_failed
        )  # a reply without text would leave the caller in silence
    step = _reply_over(step).set_stats(completed_turns=step.call.stats.completed_turns + 1)
    if event.ends_call:  # the farewell is heard to its end
        step = playback.protect(step, event.turn).set_playback(hangup_after=EndReason.HANGUP_BOT)
    if not reply.text:
        return playback.finished(step)
    return playback.say(step, reply.text, turn=event.turn, protected=event.ends_call)


def agent_failed(step: Step, event: AgentFailed) -> Step:
    if event.turn != step.call.turn or not step.call.reply_due:
        return step.ignored()
    return _apologise(_reply_over(step), step.call.phrases.agent_failed)


def _reply_over(step: Step) -> Step:
    return step.settle(AskAgent).disarm(Timer.FILLER, Timer.REPLY).set_floor(reply=None)


def agent_slow(step: Step) -> Step:
    """There is no reply yet: say a filler, another one than the last. Not while either party speaks."""
    call = step.call
    if not call.reply_due:
        return step
    if call.is_speaking or call.caller_is_speaking:
        return step.arm(Timer.FILLER, step.at + call.policy.filler_after_s)
    fillers, said = call.phrases.fillers, call.floor.fillers
    return playback.say(step.set_floor(fillers=said + 1), fillers[said % len(fillers)])


def agent_too_late(step: Step) -> Step:
    """The time for the reply is over (`reply_timeout_s`). What was said of it stands; without any, apologise."""
    call = step.call
    if not call.reply_due:
        return step
    step = requests.cancel_reply(step)
    if transcript.said_of_turn(step.call, call.turn):
        return playback.finished(step)
    return _apologise(step, step.call.phrases.agent_failed)


def _apologise(step: Step, phrase: Speakable, *, or_clip: bool = False, clip: bool = False) -> Step:
    """Apologise; after the second time in a row, say goodbye instead and hang up."""
    failures = step.call.floor.failures + 1
    step = step.set_floor(failures=failures)
    if failures >= _FAILURES_BEFORE_GOODBYE:
        step = step.set_playback(hangup_after=step.call.playback.hangup_after or EndReason.ERROR)
        phrase = phrase if or_clip else step.call.phrases.goodbye
    ends = step.call.playback.hangup_after is not None
    return playback.say(step, phrase, protected=ends, or_clip=or_clip, clip=clip)


def _clip_instead(step: Step, utterance: Utterance, reason: str) -> Step:
    """The recorded apology is played in place of this one. A notice ends behind it: its voice is silent still."""
    step = playback.reword(step, utterance, step.call.phrases.voice_failed)
    if not step.call.is_notice or step.call.playback.hangup_after is not None:
        return step
    for later in step.call.utterances:
        step = playback.fail(step, later) if later.no > utterance.no else step
    return step.set_playback(hangup_after=EndReason.ERROR).replace(detail=reason)


def speech_failed(step: Step, event: SpeechFailed) -> Step:
    """An utterance could not be spoken: apologise instead, with a recorded clip if synthesis fails again.

    The text of a notice is requested once more first, unless its voice never began to answer. With a voice that is
    known to be silent, the clip comes at once.
    """
    call = step.call
    utterance = playback.find(call, event.utterance)
    if utterance is None:
        return step.ignored()
    reason = f"speech failed: {event.reason}"
    if event.clip:
        return _clip_instead(step, utterance, reason)
    may_succeed = event.retryable or (event.hung and utterance.began_at is not None)
    if call.is_notice and may_succeed and not (utterance.retries or utterance.or_clip or call.is_ending):
        return playback.retry(step, utterance)
    for failed in (utterance, *playback.rest_of(call, utterance)):
        step = playback.fail(step, failed, sent=event.sent and failed.no == utterance.no)
        step = step.resolve(failed.request, ok=False, text=reason)
        step = requests.fail_continue(step, failed.no, reason)
    if utterance.or_clip or step.call.is_ending:
        return playback.finished(step)
    step = requests.cancel_reply(playback.cut(step))
    if step.call.is_notice:
        step = step.set_playback(hangup_after=EndReason.ERROR)
    step = _apologise(step, step.call.phrases.voice_failed, or_clip=True, clip=event.hung and not step.call.is_native)
    return step.replace(detail=reason) if step.call.playback.hangup_after is not None else step
