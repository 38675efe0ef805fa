"""Who has the floor: the caller, the agent, or nobody.

Pure. Knows utterances and turns; does not know carriers, audio or clocks. The rules, in the order they matter:

- The caller who speaks gets the floor: what we say is cut, and the transcript keeps only what was heard.
- A turn is an utterance of the caller and the reply it earns. A reply to an older turn is never spoken.
- While a `continue` waits, the caller's words belong to it, and the agent is not asked.
- The caller who waits is never left in silence: late or failing agents and voices are apologised for.
"""

from dataclasses import replace

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
from voicecall.call.state import Phase
from voicecall.call.step import Step

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

_SPEECH_MAX_S = 30.0  # the longest breath of a caller we wait for
_WORDS_AFTER_SPEECH_S = 5.0  # recognition owes us words this soon after the caller fell silent
_FAILURES_BEFORE_GOODBYE = 2


# --- the caller's voice -------------------------------------------------------------------------------------------


def speech_started(step: Step) -> Step:
    """Barge-in: the caller who speaks gets the floor before anything else is said."""
    call = step.call
    if call.leg is None or call.ending is not None or call.is_protected:
        return step.ignored()
    if call.stt_down:
        return step.ignored()  # no words will follow soon: nobody falls silent for them
    step = leg_rules.leg_answered(step)
    interrupted = call.interrupted or call.reply_due or call.is_speaking
    token = call.pending_continue.request if call.pending_continue is not None else None
    step = step.replace(speech_started_at=step.at, speech_token=token, interrupted=interrupted)
    step = step.arm(Timer.UNHEARD, step.at + _SPEECH_MAX_S).disarm(Timer.NOTIFY_HANGUP)
    return requests.cancel_reply(playback.cut(step)).forward(Phase.LISTENING)


def speech_stopped(step: Step) -> Step:
    if step.call.speech_started_at is None:
        return step.ignored()
    return step.arm(Timer.UNHEARD, step.at + _WORDS_AFTER_SPEECH_S)


def heard(step: Step, event: Heard) -> Step:
    """The caller's words: for the `continue` that waits, else a new turn for the agent."""
    call = step.call
    text = event.text.strip()
    listens = call.leg is not None and call.ending is None and not call.is_protected
    # A carrier's stale callback is not even heard, and nothing falls silent for it.
    if not listens or not event.final or not text or requests.is_stale(call, event):
        return step.ignored()
    step = leg_rules.leg_answered(step)
    if requests.precedes_question(call, event):
        return replace(step, call=transcript.heard(step.call, text, step.at)).ignored()
    token = requests.turn_token(call, event)
    step = step.replace(speech_started_at=None, speech_token=None, interrupted=False, heard_at=step.at)
    step = playback.cut(step.disarm(Timer.UNHEARD, Timer.NOTIFY_HANGUP)).forward(Phase.LISTENING)
    if call.pending_continue is None:
        step = requests.cancel_reply(replace(step, call=transcript.heard(step.call, text, step.at)))
        if call.is_notice:
            return playback.rest(step)
        return ask_agent(step.replace(turn=call.turn + 1))
    if token != call.pending_continue.request:
        # Words begun before the question was put are no answer to it.
        return replace(step, call=transcript.heard(step.call, text, step.at)).ignored()
    return requests.answer_continue(
        replace(step, call=transcript.heard(step.call, text, step.at)), call.pending_continue, text
    )


def unheard(step: Step) -> Step:
    """The caller made a sound that held no words. If it took the floor from us, we ask for it back."""
    call = step.call
    step = step.replace(speech_started_at=None, speech_token=None, interrupted=False)
    if not call.interrupted or call.pending_continue is not None or call.ending is not None:
        return playback.rest(step)
    if call.turn and not call.is_notice and not transcript.said_of_turn(call, call.turn):
        return ask_agent(step)  # the question still stands without a word of reply
    return playback.rest(step) if call.stt_down else playback.say(step, phrases.NOT_CAUGHT)


def stt_lost(step: Step) -> Step:
    """We are deaf for a while. Say so once: nobody shall talk to a wall and wonder."""
    call = step.call
    if call.stt_down or call.ending is not None or call.hangup_after is not None or call.is_notice:
        return step.ignored()
    return playback.say(step.replace(stt_down=True), phrases.STT_LOST)


def stt_recovered(step: Step) -> Step:
    """Whoever was asked to wait is told that it is over; words that were kept interrupt this, as any do."""
    call = step.call
    if not call.stt_down:
        return step.ignored()
    step = step.replace(stt_down=False)
    return (
        step if call.ending is not None or call.hangup_after is not None else playback.say(step, phrases.STT_RECOVERED)
    )


def stt_failed(step: Step, event: SttFailed) -> Step:
    """We are deaf for good: say so and leave, rather than let somebody talk to a wall. A notice needs no ears."""
    call = step.call
    if call.ending is not None or call.hangup_after is not None or call.is_notice:
        return step.ignored()
    if call.pending_continue is not None:
        step = requests.fail_continue(step, call.pending_continue.utterance, f"hearing failed: {event.reason}")
    step = requests.cancel_reply(playback.cut(step)).replace(
        hangup_after=EndReason.ERROR, detail=f"hearing failed: {event.reason}"
    )
    return playback.say(step, phrases.STT_FAILED, protected=True, or_clip=True)


# --- the agent's words --------------------------------------------------------------------------------------------


def ask_agent(step: Step, said: tuple[str, ...] = ()) -> Step:
    """Look for words for the newest turn, and promise ourselves not to let the caller wait in silence."""
    policy = step.call.policy
    step = step.request(AskAgent(turn=step.call.turn, said=said)).replace(reply_due=True)
    return step.arm(Timer.FILLER, step.at + policy.filler_after_s).arm(Timer.REPLY, step.at + policy.reply_timeout_s)


def agent_said(step: Step, event: AgentSaid) -> Step:
    call = step.call
    text = event.text.strip()
    if event.turn != call.turn or not call.reply_due or call.ending is not None or not text:
        return step.ignored()
    if call.is_native:
        # One prompt replaces another there: sentence by sentence, only the last would be heard.
        return step.replace(failures=0, reply_text=f"{call.reply_text} {text}".strip())
    return playback.say(step.disarm(Timer.FILLER).replace(failures=0), text, turn=event.turn)


def agent_done(step: Step, event: AgentDone) -> Step:
    if event.turn != step.call.turn or not step.call.reply_due:
        return step.ignored()
    words = step.call.reply_text
    step = step.settle(AskAgent).disarm(Timer.FILLER, Timer.REPLY).replace(reply_due=False, reply_text="")
    step = step.replace(completed_turns=step.call.completed_turns + 1)
    return playback.say(step, words, turn=event.turn) if words else playback.rest(step)


def agent_failed(step: Step, event: AgentFailed) -> Step:
    if event.turn != step.call.turn or not step.call.reply_due:
        return step.ignored()
    step = step.settle(AskAgent).disarm(Timer.FILLER, Timer.REPLY).replace(reply_due=False, reply_text="")
    return _apologise(step, phrases.AGENT_FAILED)


def agent_slow(step: Step) -> Step:
    """Nothing to say yet: let the caller know that we are still here."""
    return playback.say(step, phrases.FILLER) if step.call.reply_due and step.call.ending is None else step


def agent_too_late(step: Step) -> Step:
    """`responseTimeoutMs` is over. What was said of the reply stands; with nothing said we apologise."""
    call = step.call
    if not call.reply_due or call.ending is not None:
        return step
    step = requests.cancel_reply(step)
    if transcript.said_of_turn(step.call, call.turn):
        return playback.rest(step)
    return _apologise(step, phrases.AGENT_FAILED)


def _apologise(step: Step, phrase: str, *, or_clip: bool = False) -> Step:
    """Say sorry; after the second time in a row, say goodbye instead and mean it."""
    failures = step.call.failures + 1
    step = step.replace(failures=failures)
    if failures >= _FAILURES_BEFORE_GOODBYE:
        step = step.replace(hangup_after=step.call.hangup_after or EndReason.ERROR)
        phrase = phrase if or_clip else phrases.GOODBYE
    return playback.say(step, phrase, protected=step.call.hangup_after is not None, or_clip=or_clip)


def speech_failed(step: Step, event: SpeechFailed) -> Step:
    """The voice could not say it: the caller hears an apology instead, in a recorded voice if need be."""
    utterance = playback.find(step.call, event.utterance)
    if utterance is None:
        return step.ignored()
    step = playback.drop(step, utterance)
    step = replace(step, call=transcript.unsaid(step.call, utterance.no))
    step = step.resolve(utterance.request, ok=False, text=f"speech failed: {event.reason}")
    step = requests.fail_continue(step, utterance.no, f"speech failed: {event.reason}")
    if utterance.or_clip or step.call.ending is not None:
        return playback.rest(step)
    step = requests.cancel_reply(playback.cut(step))
    if step.call.is_notice:
        step = step.replace(hangup_after=EndReason.ERROR)
    return _apologise(step, phrases.VOICE_FAILED, or_clip=True)
