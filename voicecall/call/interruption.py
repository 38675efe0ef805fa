"""Interruptions: whether a sound of the caller takes the floor from the bot.

Pure. A sound pauses playback; what follows decides, in this order:

- words of the caller, or a sound that lasts (`TurnPolicy.min_speech_s`): an interruption. Speech is cut, the agent's
  reply is cancelled, and the transcript keeps only what was heard;
- a transcript without words, a backchannel, or no transcript in time: a false alarm. The bot goes on where it stopped.

A sound that does not stand out from the noise of the line changes nothing; only words do.

Where playback cannot be paused (an ingress of an earlier build), each sound cuts it at once, and what was cut is said
after all when it had no words. Knows sounds and transcripts; what a turn is, `turns` knows.
"""

from dataclasses import replace

from voicecall.call import leg as leg_rules
from voicecall.call import playback, requests, transcript, turns
from voicecall.call.backchannels import has_words, is_backchannel, word_count
from voicecall.call.events import Heard, SpeechStarted, SpeechStopped, Timer
from voicecall.call.state import Call, CallerSpeech, Party, Phase
from voicecall.call.step import Step
from voicecall.call.waits import TurnWait

__all__ = [
    "dismissed",
    "heard",
    "resume_due",
    "sound_lasted",
    "speech_started",
    "speech_stopped",
    "unheard",
]

_END_KNOWN_AFTER_S = 0.2  # within it the end of a sound is reported; the caller hears nothing meanwhile
_ECHO_LASTS_S = 0.5  # beyond the guard: from then on it is judged as any sound
_SPOKEN_S = 0.3  # a shorter sound without a transcript is not asked for
_TRANSCRIPT_AFTER_SPEECH_S = 5.0  # a transcript is expected this soon after the caller fell silent


# --- sounds -------------------------------------------------------------------------------------------------------


def speech_started(step: Step, event: SpeechStarted) -> Step:
    """The caller makes a sound: the bot stops speaking, for the moment or for good."""
    call = step.call
    if call.leg is None or call.is_protected:
        return step.ignored()
    if call.floor.stt_down:
        return step.ignored()  # no transcript will follow soon: playback goes on
    if event.above_noise is False:
        return _faint_sound(step)
    step = turns.caller_goes_on(leg_rules.leg_answered(step))
    step = step.arm(Timer.UNHEARD, step.at + turns.SPEECH_MAX_S).disarm(Timer.NOTIFY_HANGUP)
    speech = call.floor.speech
    if speech is not None and speech.unsure and not speech.faint:
        return _listen(step, speech if speech.stopped_at is None else replace(speech, started_at=step.at))
    speech = _sound(step)
    if _may_be_noise(call):
        return _listen(step, speech)
    return _interrupt(step.set_floor(speech=speech))


def _sound(step: Step) -> CallerSpeech:
    question = step.call.pending_continue
    return CallerSpeech(started_at=step.at, token=question.request if question is not None else None)


def _faint_sound(step: Step) -> Step:
    """A sound no louder than the noise: a turn that is about to end does, and the bot goes on until there are words."""
    call, speech = step.call, step.call.floor.speech
    matters = call.is_speaking or call.reply_due if speech is None else speech.faint
    if not matters or call.floor.held is not None:
        return step.ignored()
    step = step.set_floor(speech=replace(speech or _sound(step), unsure=True, faint=True, stopped_at=None))
    return step.disarm(Timer.RESUME).arm(Timer.UNHEARD, step.at + turns.SPEECH_MAX_S)


def _may_be_noise(call: Call) -> bool:
    """Whether it can be waited for more of the sound: only where the bot has the floor and can be paused."""
    policy = call.policy.turns
    pausable = call.stream is not None and call.stream.pauses
    return pausable and (call.is_speaking or call.reply_due) and (policy.min_speech_s > 0 or policy.min_words > 0)


def _listen(step: Step, speech: CallerSpeech) -> Step:
    """Pause playback and wait for more of the sound.

    A sound may be an echo when it begins just after the bot's own; and where words are needed, the place is noisy. Then
    playback goes on until the sound has lasted.
    """
    policy = step.call.policy.turns
    step = step.set_floor(speech=replace(speech, unsure=True, stopped_at=None)).disarm(Timer.RESUME)
    echo_until = _echo_until(step.call)
    if step.at >= echo_until and not policy.min_words:
        step = playback.pause(step)
    lasts_from = max(speech.started_at, echo_until)
    due = lasts_from + max(0.0, policy.min_speech_s - speech.sounded_s)
    return step.arm(Timer.CONFIRM, due + _END_KNOWN_AFTER_S if step.call.playback.paused else due)


def _echo_until(call: Call) -> float:
    began = call.playback.sounding_since
    return 0.0 if began is None or not call.is_speaking else began + call.policy.turns.echo_guard_s


def sound_lasted(step: Step) -> Step:
    """A sound of the caller has lasted so long that it is an interruption; where words are needed, playback pauses."""
    call, speech = step.call, step.call.floor.speech
    if speech is None or not speech.unsure:
        return step
    if call.is_protected:
        return _false_alarm(step)
    if call.policy.turns.min_words:
        return playback.pause(step).arm(Timer.RESUME, step.at + call.policy.turns.resume_after_s)
    return _interrupt(step)


def speech_stopped(step: Step, event: SpeechStopped) -> Step:
    """The caller fell silent. A sound that was too short for an interruption may still turn out to be words."""
    call, speech = step.call, step.call.floor.speech
    if speech is None:
        return step.ignored() if event.turn_complete is None else turns.judged(step, event.turn_complete)
    if speech.faint:
        step = step.set_floor(speech=replace(speech, stopped_at=step.at))
        return step.arm(Timer.RESUME, step.at + call.policy.turns.resume_after_s)
    since = max(step.at - (event.silent_ms or 0) / 1000, speech.started_at)
    wait = TurnWait(silent_at=since, stopped_at=step.at)
    step = step.set_floor(silent_since=since, wait=wait).arm(Timer.UNHEARD, step.at + _TRANSCRIPT_AFTER_SPEECH_S)
    if call.floor.held is not None:
        step = step.arm(Timer.TURN, step.at + call.policy.turns.max_delay_s)
    if speech.stopped_at is not None:
        return step
    sounded_s = speech.sounded_s + since - speech.started_at
    step = step.set_floor(speech=replace(speech, stopped_at=since, sounded_s=sounded_s))
    if not speech.unsure:
        return step
    if sounded_s >= call.policy.turns.min_speech_s and not call.policy.turns.min_words and not call.is_protected:
        return _interrupt(step)
    return step.disarm(Timer.CONFIRM).arm(Timer.RESUME, max(step.at, since + call.policy.turns.resume_after_s))


def resume_due(step: Step) -> Step:
    """A short sound had no transcript: the bot goes on. In a noise that does not end, words may still come."""
    speech = step.call.floor.speech
    if speech is None or not speech.unsure:
        return step
    return playback.resume(step) if speech.stopped_at is None else _false_alarm(step)


def unheard(step: Step) -> Step:
    """The caller made a sound without a transcript. If it cut the bot off, or was their turn, it is asked for again."""
    call, speech = step.call, step.call.floor.speech
    if speech is not None and speech.unsure:
        return _false_alarm(step)
    if speech is not None and _was_turn(call, speech):
        return playback.say(step.set_floor(speech=None), call.phrases.not_caught)
    step = step.set_floor(speech=None, interrupted=False, reply_cut=False)
    if call.floor.held is not None:
        return turns.turn_over(step)
    if not call.floor.interrupted or call.pending_continue is not None or call.is_ending:
        return playback.finished(step)
    if call.turn and not call.is_notice and not transcript.said_of_turn(call, call.turn):
        return turns.ask_agent(step)  # nothing of the reply was said yet
    return playback.finished(step) if call.floor.stt_down else playback.say(step, step.call.phrases.not_caught)


def _was_turn(call: Call, speech: CallerSpeech) -> bool:
    """Whether the caller spoke while it was for them to speak; for a sound without words there is a transcript."""
    floor = call.floor
    waits = floor.interrupted or floor.stt_down or floor.held is not None or call.pending_continue is not None
    if waits or call.is_speaking or call.reply_due or call.is_ending or call.is_notice or not call.transcript:
        return False
    return speech.stopped_at is not None and speech.sounded_s >= max(call.policy.turns.min_speech_s, _SPOKEN_S)


# --- transcripts --------------------------------------------------------------------------------------------------


def heard(step: Step, event: Heard) -> Step:
    """A transcript: words are a turn, or a part of one; anything else takes no floor."""
    if not event.final:
        return _partly_heard(step, event)
    if not has_words(event.text) or _is_aside(step.call, event.text) or _is_echo(step, event):
        return _no_words(step, event)
    return turns.heard(step, event)


def _partly_heard(step: Step, event: Heard) -> Step:
    """The first words of an utterance: enough of them are an interruption, however short the sound is."""
    call, speech = step.call, step.call.floor.speech
    unsure = speech is not None and speech.unsure and not call.is_protected
    if not unsure or not has_words(event.text) or is_backchannel(event.text):
        return step.ignored()
    return _interrupt(step) if word_count(event.text) >= call.policy.turns.min_words else step


def _is_aside(call: Call, text: str) -> bool:
    """Whether the caller, while the bot had the floor, said nothing that takes it: a backchannel, or too few words."""
    has_floor = call.is_speaking or call.reply_due or call.floor.interrupted
    if not has_floor or call.is_native or call.is_notice or call.pending_continue is not None:
        return False
    if call.is_speaking and word_count(text) < call.policy.turns.min_words:
        return True
    return is_backchannel(text) and not transcript.asked_since_caller(call)


def _is_echo(step: Step, event: Heard) -> bool:
    """Whether these are the bot's first words, over so soon after they began that no caller can have repeated them."""
    call, began, said = step.call, step.call.playback.sounding_since, _letters(event.text)
    if not call.is_speaking or began is None or event.silent_ms is None or not said:
        return False
    is_soon = step.at - event.silent_ms / 1000 - began <= call.policy.turns.echo_guard_s + _ECHO_LASTS_S
    ours = [entry.text for entry in call.transcript if entry.speaker is Party.BOT and entry.at <= step.at]
    return is_soon and any(_letters(text).startswith(said) for text in ours[-2:])


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _no_words(step: Step, event: Heard) -> Step:
    """What the caller uttered takes no floor: the bot goes on with what it was saying."""
    call, speech = step.call, step.call.floor.speech
    if call.is_protected or event.silent_ms == 0 or (speech is None and not call.floor.interrupted):
        return step.ignored()
    if speech is not None and speech.unsure:
        return _false_alarm(step)
    step = step.set_floor(speech=None, interrupted=False, reply_cut=False).disarm(Timer.UNHEARD)
    if call.floor.held is not None:
        return turns.turn_over(step)
    if not call.floor.interrupted or call.is_ending:
        return playback.finished(step)
    step = playback.go_on(step)
    if call.floor.reply_cut and call.pending_continue is None and not call.is_notice:
        return turns.ask_agent(step, transcript.said_of_turn(step.call, call.turn))
    return playback.finished(step)


# --- the outcome --------------------------------------------------------------------------------------------------


def _interrupt(step: Step) -> Step:
    """The caller has the floor: stop speaking, and cancel the reply. Until there are words, what was cut is kept."""
    call, speech = step.call, step.call.floor.speech
    if not call.floor.interrupted and call.playback.cut_off:
        step = step.set_playback(cut_off=())  # of an interruption that is long over
    step = step.set_floor(
        speech=None if speech is None else replace(speech, unsure=False),
        interrupted=call.floor.interrupted or call.reply_due or call.is_speaking,
        reply_cut=call.floor.reply_cut or call.reply_due,
    )
    unheard = turns.unheard_question(call)
    step = playback.cut(step.disarm(Timer.CONFIRM, Timer.RESUME), keep=True)
    if unheard:
        step = requests.fail_continue(step, unheard[-1].no, playback.NOT_HEARD)
    return requests.cancel_reply(step).forward(Phase.LISTENING)


def _false_alarm(step: Step) -> Step:
    """The sound was no speech: the bot goes on where it stopped."""
    return playback.finished(dismissed(step))


def dismissed(step: Step) -> Step:
    """The sound that was listened to does not count any more; playback that it paused goes on."""
    speech = step.call.floor.speech
    if speech is not None and speech.unsure:
        step = step.set_floor(speech=None).disarm(Timer.CONFIRM, Timer.RESUME, Timer.UNHEARD)
    return playback.resume(step)
