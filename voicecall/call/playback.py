"""Our own voice: what it was given to say, what came out, and what has to be said again.

Pure. An utterance is given to the voice, begins at the caller's ear, and ends there whole or cut; the door that holds
the socket reports both. Does not know who found the words, nor why they are said.
"""

from dataclasses import replace

from voicecall.call import hangup, phrases, transcript
from voicecall.call.effects import Speak, StopSpeaking
from voicecall.call.events import EndReason, PlaybackBegan, PlaybackDone, Timer
from voicecall.call.ids import RequestId
from voicecall.call.state import Call, Phase, Utterance
from voicecall.call.step import Step

__all__ = [
    "carrier_greeted",
    "cut",
    "drop",
    "find",
    "notice_over",
    "playback_began",
    "playback_done",
    "playback_overdue",
    "repeat",
    "repeat_all",
    "rest",
    "say",
    "speak_queued",
]

_PLAYBACK_S_PER_CHARACTER = 0.15  # slower than any voice: only a lost report makes us this patient
_PLAYBACK_MARGIN_S = 15.0


def say(
    step: Step,
    text: str,
    *,
    turn: int = 0,
    request: RequestId | None = None,
    protected: bool = False,
    or_clip: bool = False,
) -> Step:
    """Give the voice one more utterance, behind those it has; with no stream open it waits for one."""
    no = step.call.utterances_made + 1
    utterance = Utterance(
        no=no, turn=turn, text=text, asked_at=step.at, request=request, protected=protected, or_clip=or_clip
    )
    step = step.replace(utterances=(*step.call.utterances, utterance), utterances_made=no)
    return _speak(step, utterance) if step.call.has_voice else step


def carrier_greeted(step: Step, text: str) -> Step:
    """The door's own reply to the carrier says this: given and begun before we ever heard of it."""
    no = step.call.utterances_made + 1
    utterance = Utterance(no=no, turn=0, text=text, asked_at=step.at, began_at=step.at)
    step = step.replace(utterances=(*step.call.utterances, utterance), utterances_made=no)
    return _await_playback(replace(step, call=transcript.said(step.call, utterance)).forward(Phase.SPEAKING))


def speak_queued(step: Step) -> Step:
    """A stream is open: everything that waited for one goes to the voice."""
    for utterance in step.call.utterances:
        if not utterance.cut and not step.is_pending(Speak, utterance=utterance.no):
            step = _speak(step, utterance)
    return step


def _speak(step: Step, utterance: Utterance) -> Step:
    question = step.call.pending_continue
    # Whatever is said while a question stands: the next words of the caller are its answer.
    token = question.request if question is not None and question.utterance <= utterance.no else ""
    listens = not step.call.is_notice and step.call.hangup_after is None
    step = step.request(
        Speak(utterance=utterance.no, text=utterance.text, or_clip=utterance.or_clip, token=token, listens=listens)
    )
    return _await_playback(replace(step, call=transcript.said(step.call, utterance)).forward(Phase.SPEAKING))


def _await_playback(step: Step) -> Step:
    letters = sum(len(utterance.text) for utterance in step.call.utterances)
    return step.arm(Timer.PLAYBACK, step.at + letters * _PLAYBACK_S_PER_CHARACTER + _PLAYBACK_MARGIN_S)


def playback_began(step: Step, event: PlaybackBegan) -> Step:
    call = step.call
    utterance = find(call, event.utterance)
    if utterance is None or utterance.began_at is not None:
        return step.ignored()
    step = _replace_utterance(step, replace(utterance, began_at=step.at)).forward(Phase.SPEAKING)
    if call.heard_at is not None and transcript.opens_reply(call, utterance):
        return step.replace(last_turn_latency_ms=round((step.at - call.heard_at) * 1000))
    return step


def playback_done(step: Step, event: PlaybackDone) -> Step:
    """The door's report on one utterance: heard whole, or cut, and where."""
    utterance = find(step.call, event.utterance)
    if utterance is None:
        return step.ignored()
    step = drop(step, utterance)
    if not event.complete:
        step = replace(step, call=transcript.shorten(step.call, utterance, event.heard_ms, event.total_ms))
        if not utterance.cut:
            return _resume(step, utterance, event)
    step = step.resolve(utterance.request, ok=True, text="" if event.complete else "interrupted")
    return rest(_start_continue_timer(step, utterance.no))


def _resume(step: Step, utterance: Utterance, event: PlaybackDone) -> Step:
    """Cut, but not by the caller: something of ours broke. Say the rest, and say that it is the rest."""
    words = transcript.words_heard(utterance.text, event.heard_ms, event.total_ms)
    rest = utterance.text[len(words) :]
    if words and rest[:1].strip():  # inside a word: say that word again
        rest = words[words.rfind(" ") + 1 :] + rest
    texts = [phrases.CUT_OFF, rest.strip()] if words else [utterance.text]
    return repeat(step, utterance, texts, before=True)


def repeat(step: Step, utterance: Utterance, texts: list[str], *, before: bool = False) -> Step:
    """Give the voice an utterance anew, under new numbers; whoever waited for the old one waits for the last of these.

    `before`: it belongs ahead of what is queued, so that is taken back and given again behind it.
    """
    queued = [u for u in step.call.utterances if not u.cut] if before else []
    for other in queued:
        step = _withdraw(step, other)
    for text in texts[:-1]:
        step = say(step, text, turn=utterance.turn)
    step = say(
        step,
        texts[-1],
        turn=utterance.turn,
        request=utterance.request,
        protected=utterance.protected,
        or_clip=utterance.or_clip,
    )
    question = step.call.pending_continue
    if question is not None and question.utterance == utterance.no:
        step = step.replace(pending_continue=replace(question, utterance=step.call.utterances_made))
    for other in queued:
        step = repeat(step, other, [other.text])
    return step


def repeat_all(step: Step) -> Step:
    """Our voice broke off, or lost its way to the caller: what was cut in the middle is marked and repeated."""
    queued = [u for u in step.call.utterances if not u.cut]
    for utterance in queued:
        step = _withdraw(step, utterance)
    for utterance in queued:
        begun = utterance.began_at is not None
        step = repeat(step, utterance, [phrases.CUT_OFF, utterance.text] if begun else [utterance.text])
    return step


def _withdraw(step: Step, utterance: Utterance) -> Step:
    """Withdraw an utterance from the voice. What began is kept until the door tells how much of it was heard."""
    if utterance.began_at is not None:
        return _replace_utterance(step.settle(Speak, utterance=utterance.no), replace(utterance, cut=True))
    step = drop(step, utterance)
    return replace(step, call=transcript.unsaid(step.call, utterance.no))


def playback_overdue(step: Step) -> Step:
    """The door's reports were lost: take it that what began was heard, and what never began was not."""
    for utterance in step.call.utterances:
        step = drop(step, utterance)
        if utterance.began_at is None:
            step = replace(step, call=transcript.unsaid(step.call, utterance.no))
        ok = utterance.began_at is not None
        step = step.resolve(utterance.request, ok=ok, text="" if ok else "nobody heard it")
        step = _start_continue_timer(step, utterance.no)
    return rest(step)


def rest(step: Step) -> Step:
    """Nothing more to say for now: listen, or leave if that was the last word."""
    call = step.call
    if call.is_speaking:
        return _await_playback(step)
    if not call.utterances:
        step = step.disarm(Timer.PLAYBACK)
    if call.ending is not None or call.is_over:
        return step
    if call.hangup_after is not None:
        return hangup.hang_up(step, call.hangup_after)
    if call.is_notice and not call.opening_text and not call.may_await_beep:
        step = step.arm(Timer.NOTIFY_HANGUP, step.at + call.policy.notify_hangup_delay_s)
    return step.forward(Phase.LISTENING) if not call.reply_due else step


def notice_over(step: Step) -> Step:
    """The notice was heard, and the pause after it is over."""
    if step.call.is_speaking:
        return step
    return hangup.hang_up(step, EndReason.HANGUP_BOT)


def cut(step: Step) -> Step:
    """Silence us. What began waits for the door's word on how much was heard; the rest was never said."""
    speaking = [utterance for utterance in step.call.utterances if not utterance.cut]
    if not speaking:
        return step
    step = step.emit(StopSpeaking())
    for utterance in speaking:
        step = _withdraw(step, utterance)
        if utterance.began_at is None:
            step = step.resolve(utterance.request, ok=True, text="interrupted")
            step = _start_continue_timer(step, utterance.no)
    return step


def find(call: Call, no: int) -> Utterance | None:
    """The utterance of this number; 0 is the one the carrier's own voice began first."""
    for utterance in call.utterances:
        if utterance.no == no or (no == 0 and utterance.began_at is not None):
            return utterance
    return None


def _replace_utterance(step: Step, new: Utterance) -> Step:
    return step.replace(utterances=tuple(new if u.no == new.no else u for u in step.call.utterances))


def drop(step: Step, gone: Utterance) -> Step:
    step = step.settle(Speak, utterance=gone.no)
    return step.replace(utterances=tuple(u for u in step.call.utterances if u.no != gone.no))


def _start_continue_timer(step: Step, no: int) -> Step:
    """The prompt of a `continue` is out: its clock starts now."""
    question = step.call.pending_continue
    if question is None or question.utterance != no:
        return step
    step = step.replace(pending_continue=replace(question, listening_since=step.at))
    return step.arm(Timer.TRANSCRIPT, step.at + step.call.policy.transcript_timeout_s)
