"""Turn taking: who has the floor, the caller or the bot.

Pure. Knows utterances and turns; does not know carriers, audio or clocks. The rules, in order of precedence:

- A caller who speaks gets the floor (barge-in): speech is cut, and the transcript keeps only what was heard.
- A turn is an utterance of the caller and the reply to it. A reply to an older turn is never spoken.
- While a `continue` is pending, the caller's utterance answers it, and the agent is not asked.
- A caller who waits is never left in silence: for a late or failing agent or voice there is an apology (guarantee P13).
"""

from voicecall.call import leg as leg_rules
from voicecall.call import phrases, playback, requests, transcript
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
from voicecall.call.state import Call, CallerSpeech, PendingReply, Phase, Utterance
from voicecall.call.step import Step
from voicecall.text.speakable import Speakable

__all__ = [
    "agent_done",
    "agent_failed",
    "agent_said",
    "agent_slow",
    "agent_too_late",
    "ask_agent",
    "heard",
    "speech_failed",
    "speech_started",
    "speech_stopped",
    "stt_failed",
    "stt_lost",
    "stt_recovered",
    "unheard",
]

_SPEECH_MAX_S = 30.0  # the longest utterance of a caller that is waited for
_TRANSCRIPT_AFTER_SPEECH_S = 5.0  # a transcript is expected this soon after the caller fell silent
_FAILURES_BEFORE_GOODBYE = 2


# --- the caller's speech ------------------------------------------------------------------------------------------


def speech_started(step: Step) -> Step:
    """Barge-in: the caller gets the floor before anything else is said."""
    call = step.call
    if call.leg is None or call.is_protected:
        return step.ignored()
    if call.floor.stt_down:
        return step.ignored()  # no transcript will follow soon: playback goes on
    step = leg_rules.leg_answered(step)
    interrupted = call.floor.interrupted or call.reply_due or call.is_speaking
    token = call.pending_continue.request if call.pending_continue is not None else None
    step = step.set_floor(speech=CallerSpeech(started_at=step.at, token=token), interrupted=interrupted)
    step = step.arm(Timer.UNHEARD, step.at + _SPEECH_MAX_S).disarm(Timer.NOTIFY_HANGUP)
    unheard = _unheard_question(call)
    step = playback.cut(step)
    if unheard:
        step = requests.fail_continue(step, unheard[-1].no, playback.NOT_HEARD)
    return requests.cancel_reply(step).forward(Phase.LISTENING)


def _unheard_question(call: Call) -> tuple[Utterance, ...]:
    """The question of the pending `continue`, in its parts, while nothing of it has begun."""
    question = call.pending_continue
    return playback.unheard(call, question.utterance) if question is not None else ()


def speech_stopped(step: Step) -> Step:
    if not step.call.caller_is_speaking:
        return step.ignored()
    return step.arm(Timer.UNHEARD, step.at + _TRANSCRIPT_AFTER_SPEECH_S)


def heard(step: Step, event: Heard) -> Step:
    """A transcript: the answer to the pending `continue`, else a new turn for the agent."""
    call, question = step.call, step.call.pending_continue
    text = event.text.strip()
    listens = call.leg is not None and not call.is_protected
    # A carrier's stale callback is ignored before anything is cut.
    if not listens or not event.final or not text or requests.is_stale(call, event):
        return step.ignored()
    step = leg_rules.leg_answered(step)
    if requests.precedes_question(call, event):
        return _record(step, text).ignored()
    token, unheard = requests.turn_token(call, event), _unheard_question(call)
    step = step.set_floor(speech=None, interrupted=False, heard_at=step.at)
    step = playback.cut(step.disarm(Timer.UNHEARD, Timer.NOTIFY_HANGUP)).forward(Phase.LISTENING)
    if unheard and event.turn_token is None and call.floor.speech is None:
        # Nothing but this transcript shows that the caller interrupted what was said before the question.
        step, question = requests.fail_continue(step, unheard[-1].no, playback.NOT_HEARD), None
    if question is None:
        step = requests.cancel_reply(_record(step, text))
        if call.is_notice:
            return playback.finished(step)
        return ask_agent(step.set_floor(turn=call.turn + 1))
    if token != question.request:
        # The caller began to speak before the question: this is no answer to it.
        return playback.ask_again(_record(step, text).ignored(), unheard)
    return requests.answer_continue(_record(step, text), question, text)


def _record(step: Step, text: str) -> Step:
    return step.with_call(transcript.heard(step.call, text, step.at))


def unheard(step: Step) -> Step:
    """The caller made a sound without a transcript. If it interrupted the bot, the bot goes on."""
    call = step.call
    step = step.set_floor(speech=None, interrupted=False)
    if not call.floor.interrupted or call.pending_continue is not None or call.is_ending:
        return playback.finished(step)
    if call.turn and not call.is_notice and not transcript.said_of_turn(call, call.turn):
        return ask_agent(step)  # nothing of the reply was said yet
    return playback.finished(step) if call.floor.stt_down else playback.say(step, phrases.NOT_CAUGHT)


# --- speech recognition -------------------------------------------------------------------------------------------


def stt_lost(step: Step) -> Step:
    """Speech recognition broke off: inform the caller, once."""
    call = step.call
    if call.floor.stt_down or call.playback.hangup_after is not None or call.is_notice or call.is_native:
        return step.ignored()
    return playback.say(step.set_floor(stt_down=True), phrases.STT_LOST)


def stt_recovered(step: Step) -> Step:
    """Speech recognition is back: inform the caller. A transcript of what was buffered interrupts this."""
    call = step.call
    if not call.floor.stt_down:
        return step.ignored()
    step = step.set_floor(stt_down=False)
    if call.is_ending or call.playback.hangup_after is not None:
        return step
    return playback.say(step, phrases.STT_RECOVERED)


def stt_failed(step: Step, event: SttFailed) -> Step:
    """Speech recognition failed for good: apologise and hang up. A notice needs none and goes on."""
    call = step.call
    if call.playback.hangup_after is not None or call.is_notice or call.is_native:
        return step.ignored()
    reason = f"hearing failed: {event.reason}"
    if call.pending_continue is not None:
        step = requests.fail_continue(step, call.pending_continue.utterance, reason)
    step = requests.cancel_reply(playback.cut(step)).set_playback(hangup_after=EndReason.ERROR).replace(detail=reason)
    return playback.say(step, phrases.STT_FAILED, protected=True, or_clip=True)


# --- the agent's reply --------------------------------------------------------------------------------------------


def ask_agent(step: Step, said: tuple[str, ...] = ()) -> Step:
    """Ask the agent for a reply to the newest turn; the timers limit the silence until it comes."""
    policy = step.call.policy
    step = step.request(AskAgent(turn=step.call.turn, said=said))
    if not step.call.reply_due:
        step = step.set_floor(reply=PendingReply())
    return step.arm(Timer.FILLER, step.at + policy.filler_after_s).arm(Timer.REPLY, step.at + policy.reply_timeout_s)


def agent_said(step: Step, event: AgentSaid) -> Step:
    call, reply = step.call, step.call.floor.reply
    text = Speakable(event.text.strip())  # sentences are read from the reply as plain text (`speech/sentences.py`)
    if event.turn != call.turn or reply is None or not text:
        return step.ignored()
    if call.is_native:
        # One prompt replaces another there: sent sentence by sentence, only the last would be heard.
        return step.set_floor(failures=0, reply=PendingReply(text=Speakable(f"{reply.text} {text}".strip())))
    return playback.say(step.disarm(Timer.FILLER).set_floor(failures=0), text, turn=event.turn)


def agent_done(step: Step, event: AgentDone) -> Step:
    reply = step.call.floor.reply
    if event.turn != step.call.turn or reply is None:
        return step.ignored()
    queued = any(utterance.turn == event.turn for utterance in step.call.utterances)
    if not reply.text and not queued and not transcript.said_of_turn(step.call, event.turn):
        return _apologise(
            _reply_over(step), phrases.AGENT_FAILED
        )  # a reply without text would leave the caller in silence
    step = _reply_over(step).set_stats(completed_turns=step.call.stats.completed_turns + 1)
    return playback.say(step, reply.text, turn=event.turn) if reply.text else playback.finished(step)


def agent_failed(step: Step, event: AgentFailed) -> Step:
    if event.turn != step.call.turn or not step.call.reply_due:
        return step.ignored()
    return _apologise(_reply_over(step), phrases.AGENT_FAILED)


def _reply_over(step: Step) -> Step:
    return step.settle(AskAgent).disarm(Timer.FILLER, Timer.REPLY).set_floor(reply=None)


def agent_slow(step: Step) -> Step:
    """There is no reply yet: say a filler."""
    return playback.say(step, phrases.FILLER) if step.call.reply_due else step


def agent_too_late(step: Step) -> Step:
    """The time for the reply is over (`reply_timeout_s`). What was said of it stands; without any, apologise."""
    call = step.call
    if not call.reply_due:
        return step
    step = requests.cancel_reply(step)
    if transcript.said_of_turn(step.call, call.turn):
        return playback.finished(step)
    return _apologise(step, phrases.AGENT_FAILED)


def _apologise(step: Step, phrase: Speakable, *, or_clip: bool = False, clip: bool = False) -> Step:
    """Apologise; after the second time in a row, say goodbye instead and hang up."""
    failures = step.call.floor.failures + 1
    step = step.set_floor(failures=failures)
    if failures >= _FAILURES_BEFORE_GOODBYE:
        step = step.set_playback(hangup_after=step.call.playback.hangup_after or EndReason.ERROR)
        phrase = phrase if or_clip else phrases.GOODBYE
    ends = step.call.playback.hangup_after is not None
    return playback.say(step, phrase, protected=ends, or_clip=or_clip, clip=clip)


def _clip_instead(step: Step, utterance: Utterance, reason: str) -> Step:
    """The recorded apology is played in place of this one. A notice ends behind it: its voice is silent still."""
    step = playback.reword(step, utterance, phrases.VOICE_FAILED)
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
        step = playback.fail(step, failed)
        step = step.resolve(failed.request, ok=False, text=reason)
        step = requests.fail_continue(step, failed.no, reason)
    if utterance.or_clip or step.call.is_ending:
        return playback.finished(step)
    step = requests.cancel_reply(playback.cut(step))
    if step.call.is_notice:
        step = step.set_playback(hangup_after=EndReason.ERROR)
    step = _apologise(step, phrases.VOICE_FAILED, or_clip=True, clip=event.hung and not step.call.is_native)
    return step.replace(detail=reason) if step.call.playback.hangup_after is not None else step
