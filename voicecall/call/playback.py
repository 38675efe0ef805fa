"""Playback: what the bot was given to say, what was heard of it, and what has to be repeated.

Pure. An utterance is requested, begins at the caller, and ends there complete or cut; the ingress that holds the socket
reports both. Does not know who wrote the text, nor why it is said.
"""

from dataclasses import replace

from voicecall.call import consent, hangup, transcript
from voicecall.call.effects import PauseSpeaking, ResumeSpeaking, Speak, StopSpeaking
from voicecall.call.events import EndReason, PlaybackBegan, PlaybackDone, Timer
from voicecall.call.ids import RequestId
from voicecall.call.parts import parts_of
from voicecall.call.state import Call, Phase, Utterance
from voicecall.call.step import Step
from voicecall.call.waits import spans_of
from voicecall.text.speakable import NOTHING, Speakable

__all__ = [
    "NOT_HEARD",
    "TONES_UNKNOWN",
    "ask_again",
    "carrier_greeted",
    "cut",
    "drop",
    "extend",
    "fail",
    "find",
    "finished",
    "forget_tones",
    "go_on",
    "last_number",
    "notice_over",
    "pause",
    "play_tones",
    "playback_began",
    "playback_done",
    "playback_overdue",
    "protect",
    "repeat",
    "repeat_all",
    "rest_of",
    "resume",
    "retry",
    "reword",
    "say",
    "speak_queued",
    "unheard",
]

_PLAYBACK_S_PER_CHARACTER = 0.15  # slower than any voice: only a lost report makes the timer fire
_PLAYBACK_MARGIN_S = 15.0
_LETTERS_PER_TONE = 7  # the longest pause in keys lasts a second
_LONG_TEXT = 10  # characters
NOT_HEARD = "not heard: playback was cut before it began"
TONES_UNKNOWN = "outcome unknown: the keys may have been pressed"


def say(
    step: Step,
    text: Speakable,
    *,
    turn: int = 0,
    request: RequestId | None = None,
    protected: bool = False,
    or_clip: bool = False,
    clip: bool = False,
    item: str = "",
    lasts_ms: int | None = None,
    on_recording: bool = False,
) -> Step:
    """Queue one more utterance. It is spoken at once if there is a way to the caller, else when there is one.

    Where the carrier speaks, a text that is longer than its longest prompt becomes several utterances; `request` is
    answered after the last. `item`: audio of the agent's own, which lasts `lasts_ms` so far.
    """
    parts = _parts(step.call, text)
    for part, text_of_part in enumerate(parts):
        more = len(parts) - 1 - part
        utterance = Utterance(
            no=step.call.playback.made + 1,
            turn=turn,
            text=text_of_part,
            asked_at=step.at,
            request=None if more else request,
            protected=protected,
            or_clip=or_clip,
            clip=clip,
            part=part,
            more=more,
            item=item,
            lasts_ms=lasts_ms,
            on_recording=on_recording,
        )
        step = _queue(step, utterance)
    return step


def play_tones(step: Step, digits: str, *, tool: int = 0, request: RequestId | None = None) -> Step:
    """Press keys, behind what is being said. The other end may be a machine that talks on: it does not interrupt."""
    utterance = Utterance(
        no=step.call.playback.made + 1,
        turn=0,
        text=NOTHING,
        asked_at=step.at,
        request=request,
        protected=True,
        tones=digits,
        tool=tool,
    )
    return _queue(step, utterance)


def forget_tones(step: Step) -> Step:
    """After a crash it is not known which keys were pressed: none is pressed again."""
    for utterance in step.call.utterances:
        if utterance.tones:
            step = drop(step, utterance).resolve(utterance.request, ok=False, text=TONES_UNKNOWN)
    return step


def extend(step: Step, no: int, text: Speakable, lasts_ms: int | None) -> Step:
    """The agent has said more in the audio of this utterance. What was cut keeps what was heard of it."""
    utterance = find(step.call, no)
    if utterance is None:
        return step.with_call(transcript.reworded(step.call, no, text))  # it was heard to its end already
    if utterance.cut:
        return step.ignored()
    step = _replace_utterance(step, replace(utterance, text=text, lasts_ms=lasts_ms))
    return _await_playback(step.with_call(transcript.reworded(step.call, no, text)))


def _parts(call: Call, text: Speakable) -> tuple[Speakable, ...]:
    """The text, or its parts: a part of a clean text is clean."""
    if not call.is_native:
        return (text,)
    return tuple(Speakable(part) for part in parts_of(text, call.policy.longest_prompt))


def _queue(step: Step, utterance: Utterance) -> Step:
    step = step.set_playback(utterances=(*step.call.utterances, utterance), made=utterance.no)
    return _speak(step, utterance) if step.call.has_voice else step


def protect(step: Step, turn: int) -> Step:
    """The caller no longer interrupts what is still to be heard of the reply to `turn`."""
    utterances = (replace(each, protected=True) if each.turn == turn else each for each in step.call.utterances)
    return step.set_playback(utterances=tuple(utterances))


def last_number(call: Call, text: Speakable) -> int:
    """The number that the last utterance of `text` will have when it is queued next."""
    return call.playback.made + len(_parts(call, text))


def rest_of(call: Call, utterance: Utterance) -> tuple[Utterance, ...]:
    """The parts of the same text that follow this one."""
    return tuple(u for u in call.utterances if utterance.no < u.no <= utterance.no + utterance.more)


def carrier_greeted(step: Step, text: Speakable) -> Step:
    """The webhook response made the carrier say this text: an utterance that has begun already."""
    no = step.call.playback.made + 1
    utterance = Utterance(no=no, turn=0, text=text, asked_at=step.at, began_at=step.at)
    step = step.set_playback(utterances=(*step.call.utterances, utterance), made=no)
    return _await_playback(step.with_call(transcript.said(step.call, utterance)).forward(Phase.SPEAKING))


def speak_queued(step: Step) -> Step:
    """There is a way to the caller: speak every utterance that waited for one."""
    for utterance in step.call.utterances:
        if not utterance.cut and not step.is_speech_pending(utterance.no):
            step = _speak(step, utterance)
    return step


def _speak(step: Step, utterance: Utterance) -> Step:
    question = step.call.pending_continue
    # With a `continue` pending, the caller's next utterance answers it.
    token = question.request if question is not None and question.utterance <= utterance.no else ""
    listens = not step.call.is_notice and step.call.playback.hangup_after is None and not utterance.more
    step = step.request(
        Speak(
            utterance=utterance.no,
            text=utterance.text,
            or_clip=utterance.or_clip,
            clip=utterance.clip,
            item=utterance.item,
            token=token,
            listens=listens,
            tones=utterance.tones,
        )
    )
    if utterance.tones:
        return _await_playback(step)
    return _await_playback(step.with_call(transcript.said(step.call, utterance)).forward(Phase.SPEAKING))


def _await_playback(step: Step) -> Step:
    letters = sum(len(u.text) + len(u.tones) * _LETTERS_PER_TONE for u in step.call.utterances)
    return step.arm(Timer.PLAYBACK, step.at + letters * _PLAYBACK_S_PER_CHARACTER + _PLAYBACK_MARGIN_S)


def playback_began(step: Step, event: PlaybackBegan) -> Step:
    call = step.call
    utterance = find(call, event.utterance)
    if utterance is None or utterance.began_at is not None:
        return step.ignored()
    if all(other.began_at is None or other.cut for other in call.utterances):
        step = step.set_playback(sounding_since=step.at)
    step = _replace_utterance(step, replace(utterance, began_at=step.at)).forward(Phase.SPEAKING)
    if call.floor.heard_at is not None and _ends_wait(call, utterance):
        step = step.set_stats(last_turn_latency_ms=round((step.at - call.floor.heard_at) * 1000))
    return _end_wait(step, utterance, event) if transcript.opens_reply(call, utterance) else step


def _end_wait(step: Step, utterance: Utterance, event: PlaybackBegan) -> Step:
    """The reply is heard: cut the wait for it into spans."""
    wait = step.call.floor.wait
    if wait is None or wait.asked_at is None:
        return step
    spans = spans_of(
        wait,
        said_at=utterance.asked_at,
        began_at=step.at,
        synthesis_s=None if event.synthesis_ms is None else event.synthesis_ms / 1000,
        queued_s=None if event.queued_ms is None else event.queued_ms / 1000,
    )
    step = step.set_floor(wait=None)
    step = step.set_stats(last_turn_saved_ms=wait.saved_ms, last_turn_tools=wait.tools)
    return step.set_stats(last_turn_spans=spans, last_reply=utterance.no)


def _ends_wait(call: Call, utterance: Utterance) -> bool:
    """The caller has waited for this: the agent's reply, or what an API client says after a `continue`."""
    question = call.pending_continue
    requested = utterance.request is not None or (question is not None and question.utterance == utterance.no)
    return transcript.opens_reply(call, utterance) or (requested and transcript.follows_caller(call, utterance))


def playback_done(step: Step, event: PlaybackDone) -> Step:
    """The report of the ingress on one utterance: complete, or cut and where."""
    utterance = find(step.call, event.utterance)
    if utterance is None:
        return step.ignored()
    if event.total_ms is None:
        event = replace(event, total_ms=utterance.lasts_ms or transcript.duration_ms(step.call, utterance.text))
    elif event.complete and not utterance.broken and not utterance.clip:
        step = _speed_known(step, utterance.text, event.total_ms)
    if utterance.tones:
        return _tones_done(drop(step, utterance), utterance, event)
    step = _keep_rest(drop(step, utterance), utterance, event)
    if utterance.broken:
        step = step.with_call(transcript.shorten(step.call, utterance, event.heard_ms, None))
    elif not event.complete:
        step = step.with_call(transcript.shorten(step.call, utterance, event.heard_ms, event.total_ms))
        if not utterance.cut:
            return _resume(step, utterance, event)
    if event.complete:
        step = consent.informed(step, utterance).resolve(utterance.request, ok=True)
    else:
        step = _resolve_cut(step, utterance, heard=event.heard_ms > 0 or utterance.part > 0)
    step = _start_continue_timer(step, utterance.no)
    return finished(go_on(step) if step.call.playback.goes_on else step)


def _tones_done(step: Step, utterance: Utterance, event: PlaybackDone) -> Step:
    """Tones are never repeated: which of them were heard is not known when they were cut."""
    text = "" if event.complete else TONES_UNKNOWN
    return finished(step.resolve(utterance.request, ok=event.complete, text=text))


def _speed_known(step: Step, text: str, total_ms: int) -> Step:
    """Learn how fast this voice speaks this language; a short text says little about it."""
    return step.set_playback(ms_per_character=total_ms / len(text)) if len(text) >= _LONG_TEXT and total_ms else step


def _resume(step: Step, utterance: Utterance, event: PlaybackDone) -> Step:
    """Playback was cut, but not by the caller: say the rest, after an apology unless the cut was planned."""
    if not transcript.text_heard(utterance.text, event.heard_ms, event.total_ms) or utterance.clip:
        return repeat(step, utterance, [utterance.text], before=True)
    apology = [] if event.for_restart else [step.call.phrases.cut_off]
    return repeat(step, utterance, [*apology, _unheard(utterance, event)], before=True)


def _unheard(utterance: Utterance, event: PlaybackDone) -> Speakable:
    """What of the text was not heard, from the beginning of a word."""
    heard = transcript.text_heard(utterance.text, event.heard_ms, event.total_ms)
    rest = utterance.text[len(heard) :]
    if heard and rest[:1].strip():  # inside a word: say that word again
        rest = heard[heard.rfind(" ") + 1 :] + rest
    return Speakable(rest.strip())


def _keep_rest(step: Step, utterance: Utterance, event: PlaybackDone) -> Step:
    """Of an utterance that a sound cut, keep what was not heard."""
    rest = "" if event.complete else utterance.text if utterance.clip else _unheard(utterance, event)
    kept = tuple(
        replace(other, text=Speakable(rest)) if other.no == utterance.no else other
        for other in step.call.playback.cut_off
        if rest or other.no != utterance.no
    )
    return step.set_playback(cut_off=kept) if kept != step.call.playback.cut_off else step


def repeat(
    step: Step, utterance: Utterance, texts: list[Speakable], *, before: bool = False, or_clip: bool = False
) -> Step:
    """Say an utterance again, under new numbers; a request that waited for it waits for the last of these.

    `before`: ahead of what is queued; that is withdrawn and queued again behind it. `or_clip`: of the texts before the
    last.
    """
    queued = [u for u in step.call.utterances if not u.cut] if before else []
    for other in queued:
        step = _withdraw(step, other)
    for text in texts[:-1]:
        step = say(step, text, turn=utterance.turn, or_clip=or_clip)
    again = replace(
        utterance,
        no=step.call.playback.made + 1,
        text=texts[-1],
        asked_at=step.at,
        began_at=None,
        cut=False,
        item="",  # its audio was taken, or is not there any more
        lasts_ms=None,
    )
    step = _queue(step, again)
    question = step.call.pending_continue
    if question is not None and question.utterance == utterance.no:
        step = step.set_floor(pending_continue=replace(question, utterance=step.call.playback.made))
    for other in queued:
        step = repeat(step, other, [other.text])
    return step


def ask_again(step: Step, question: tuple[Utterance, ...]) -> Step:
    """Say the parts of a question that was withdrawn before any of it began; the pending `continue` waits for it."""
    for part in question:
        step = repeat(step, part, [part.text])
    return step


def repeat_all(step: Step, *, keep_begun: bool = False, keep_own: bool = False) -> Step:
    """Playback broke off, or its way to the caller was lost: repeat everything, with an apology for what had begun.

    `keep_begun`: what has begun is heard to its end, or its end is reported, and said then. `keep_own`: the same for
    what the agent spoke itself, which is a whole reply and too long to be repeated.
    """
    step = resume(step)
    step = forget_tones(step)
    kept = [u.began_at is not None and (keep_begun or (keep_own and bool(u.item))) for u in step.call.utterances]
    queued = [u for u, is_kept in zip(step.call.utterances, kept, strict=True) if not u.cut and not is_kept]
    for utterance in queued:
        step = _withdraw(step, utterance)
    for utterance in queued:
        # A recorded clip has no rest, and its voice could say nothing before it.
        began = utterance.began_at is not None and not utterance.clip
        step = repeat(step, utterance, [step.call.phrases.cut_off, utterance.text] if began else [utterance.text])
    return step


def retry(step: Step, utterance: Utterance) -> Step:
    """An utterance failed: request it once more, ahead of what is queued; apologise for a beginning that was heard."""
    step = fail(step, utterance)
    texts = [utterance.text] if utterance.began_at is None else [step.call.phrases.cut_off, utterance.text]
    return repeat(step, replace(utterance, retries=utterance.retries + 1), texts, before=True, or_clip=True)


def fail(step: Step, utterance: Utterance, *, sent: bool = False) -> Step:
    """The voice failed. An utterance that began, or will, is kept, as cut, until the ingress reports what was heard.

    That report answers no request.
    """
    if (sent or utterance.began_at is not None) and not step.call.is_native:
        step = step.settle_speech(utterance.no)
        return _replace_utterance(step, replace(utterance, cut=True, broken=True, request=None))
    step = drop(step, utterance)
    return step.with_call(transcript.unsaid(step.call, utterance.no))


def reword(step: Step, utterance: Utterance, text: Speakable) -> Step:
    """Another text is heard under the number of this utterance."""
    step = _replace_utterance(step, replace(utterance, text=text))
    return step.with_call(transcript.reworded(step.call, utterance.no, text))


def _withdraw(step: Step, utterance: Utterance) -> Step:
    """Withdraw an utterance. One that began is kept until the ingress reports how much of it was heard."""
    if utterance.began_at is not None:
        return _replace_utterance(step.settle_speech(utterance.no), replace(utterance, cut=True))
    step = drop(step, utterance)
    return step.with_call(transcript.unsaid(step.call, utterance.no))


def playback_overdue(step: Step) -> Step:
    """The reports were lost: what began counts as heard, the rest as not."""
    if step.call.playback.paused:
        return _await_playback(step)
    step = step.set_playback(cut_off=(), goes_on=False) if step.call.playback.goes_on else step
    for utterance in step.call.utterances:
        step = drop(step, utterance)
        began = utterance.began_at is not None
        if not began:
            step = step.with_call(transcript.unsaid(step.call, utterance.no))
        step = step.resolve(utterance.request, ok=began, text="" if began else "playback was never reported")
        step = _start_continue_timer(step, utterance.no)
    return finished(step)


def finished(step: Step) -> Step:
    """If there is nothing more to say: listen, or hang up if that was the end."""
    call = step.call
    if call.is_speaking:
        return _await_playback(step)
    if not call.utterances:
        step = step.disarm(Timer.PLAYBACK)
    if call.is_ending:
        return step
    if call.playback.hangup_after is not None:
        return hangup.hang_up(step, call.playback.hangup_after)
    if call.is_notice and not call.playback.opening_text and not call.may_await_beep:
        step = step.arm(Timer.NOTIFY_HANGUP, step.at + call.policy.notify_hangup_delay_s)
    return step.forward(Phase.LISTENING) if not call.reply_due else step


def notice_over(step: Step) -> Step:
    """The notice was heard, and the pause after it is over."""
    if step.call.is_speaking:
        return step
    return hangup.hang_up(step, EndReason.HANGUP_BOT)


def pause(step: Step) -> Step:
    """Stop playback at once, until `resume` or `cut`. What is said meanwhile waits."""
    return step if step.call.playback.paused else step.set_playback(paused=True).emit(PauseSpeaking())


def resume(step: Step) -> Step:
    """Playback that was paused goes on at the frame that was heard last."""
    if not step.call.playback.paused:
        return step
    step = step.set_playback(paused=False).emit(ResumeSpeaking())
    if any(utterance.began_at is not None and not utterance.cut for utterance in step.call.utterances):
        step = step.set_playback(sounding_since=step.at)  # after the silence of the pause its echo is new
    return _await_playback(step) if step.call.is_speaking else step


def go_on(step: Step) -> Step:
    """Say what a sound cut that had no words, as far as it was not heard: once the ingress has reported how far."""
    kept = step.call.playback.cut_off
    if any(utterance.cut and utterance.no == other.no for utterance in step.call.utterances for other in kept):
        return step.set_playback(goes_on=True)
    step = step.set_playback(cut_off=(), goes_on=False)
    for utterance in kept:
        step = say(step, utterance.text, turn=utterance.turn, or_clip=utterance.or_clip, clip=utterance.clip)
    return step


def cut(step: Step, *, keep: bool = False) -> Step:
    """Stop speaking. What began waits for the report of how much was heard; the rest was never said.

    `keep`: it may have been a noise; `go_on` says the rest after all.
    """
    speaking = [utterance for utterance in step.call.utterances if not utterance.cut]
    if not keep and step.call.playback.cut_off:
        step = step.set_playback(cut_off=(), goes_on=False)
    if not speaking:
        return resume(step)
    before = step.call
    step = step.emit(StopSpeaking()).set_playback(paused=False, goes_on=False)
    if keep:
        kept = tuple(replace(utterance, request=None) for utterance in speaking if not utterance.tones)
        step = step.set_playback(cut_off=kept)
    for utterance in speaking:
        step = _withdraw(step, utterance)
        if utterance.began_at is None:
            step = _resolve_cut(step, utterance, heard=_has_begun(before, utterance))
            step = _start_continue_timer(step, utterance.no)
    return step


def _resolve_cut(step: Step, utterance: Utterance, *, heard: bool) -> Step:
    """Answer the request of an utterance that was cut: a success when any of it was heard."""
    return step.resolve(utterance.request, ok=heard, text="interrupted" if heard else NOT_HEARD)


def unheard(call: Call, no: int) -> tuple[Utterance, ...]:
    """All parts of the text that ends with utterance `no`, in order, if none of them has begun."""
    utterance = find(call, no)
    if utterance is None or _has_begun(call, utterance):
        return ()
    return tuple(u for u in call.utterances if no - utterance.part <= u.no <= no)


def _has_begun(call: Call, utterance: Utterance) -> bool:
    """Whether it, or an earlier part of the same text, has begun; what is over has."""
    parts = [u for u in call.utterances if utterance.no - utterance.part <= u.no <= utterance.no]
    return len(parts) <= utterance.part or any(part.began_at is not None for part in parts)


def find(call: Call, no: int) -> Utterance | None:
    """The utterance of this number; 0 is the first that has begun, by the carrier's own voice."""
    for utterance in call.utterances:
        if utterance.no == no or (no == 0 and utterance.began_at is not None):
            return utterance
    return None


def _replace_utterance(step: Step, new: Utterance) -> Step:
    return step.set_playback(utterances=tuple(new if u.no == new.no else u for u in step.call.utterances))


def drop(step: Step, utterance: Utterance) -> Step:
    """Forget an utterance."""
    step = step.settle_speech(utterance.no)
    return step.set_playback(utterances=tuple(u for u in step.call.utterances if u.no != utterance.no))


def _start_continue_timer(step: Step, no: int) -> Step:
    """The question of a `continue` has been played: the time for its answer begins."""
    question = step.call.pending_continue
    if question is None or question.utterance != no:
        return step
    step = step.set_floor(pending_continue=replace(question, listening_since=step.at))
    return step.arm(Timer.TRANSCRIPT, step.at + step.call.policy.transcript_timeout_s)
