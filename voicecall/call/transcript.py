"""What was said, by whom, and how much of it reached an ear.

Pure. `turns` and `control` keep the record through here. A bot's line is written when the voice is asked and shortened
when its playback is: the transcript holds what was heard, not what was meant.
"""

from dataclasses import replace

from voicecall.call.state import Call, Speaker, TranscriptEntry, Utterance

__all__ = ["heard", "opens_reply", "said", "said_of_turn", "shorten", "unsaid", "words_heard"]

# How fast a voice speaks, when nobody could tell how long an utterance was going to be.
_MS_PER_CHARACTER = 65.0


def heard(call: Call, text: str, at: float) -> Call:
    """The caller said this."""
    return replace(call, transcript=(*call.transcript, TranscriptEntry(at=at, speaker=Speaker.USER, text=text)))


def said(call: Call, utterance: Utterance) -> Call:
    """The voice was asked to say this."""
    line = TranscriptEntry(
        at=utterance.asked_at, speaker=Speaker.BOT, text=utterance.text, utterance=utterance.no, turn=utterance.turn
    )
    return replace(call, transcript=(*call.transcript, line))


def said_of_turn(call: Call, turn: int) -> tuple[str, ...]:
    """What the voice was given of the reply to `turn`, sentence by sentence."""
    return tuple(line.text for line in call.transcript if line.speaker is Speaker.BOT and line.turn == turn)


def opens_reply(call: Call, utterance: Utterance) -> bool:
    """Is this the first thing the caller hears in answer to the newest turn?"""
    if utterance.turn == 0 or utterance.turn != call.turn:
        return False
    first = next((line for line in call.transcript if line.turn == utterance.turn), None)
    return first is not None and first.utterance == utterance.no


def unsaid(call: Call, no: int) -> Call:
    """The utterance never began: nobody heard a word of it."""
    return replace(call, transcript=tuple(line for line in call.transcript if line.utterance != no))


def shorten(call: Call, utterance: Utterance, heard_ms: float, total_ms: int | None) -> Call:
    """Keep of the utterance's line what was played; drop the line when that is nothing."""
    words = words_heard(utterance.text, heard_ms, total_ms)
    if not words:
        return unsaid(call, utterance.no)
    lines = (replace(x, text=words) if x.utterance == utterance.no else x for x in call.transcript)
    return replace(call, transcript=tuple(lines))


def words_heard(text: str, heard_ms: float, total_ms: int | None) -> str:
    """The part of `text` that `heard_ms` of its audio carried, to the character, with trailing spaces cut."""
    whole_ms = total_ms or len(text) * _MS_PER_CHARACTER
    share = min(1.0, max(0.0, heard_ms / whole_ms)) if whole_ms else 0.0
    return text[: int(len(text) * share)].rstrip()
