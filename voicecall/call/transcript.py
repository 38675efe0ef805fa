"""The transcript: what was said, by whom, and how much of it was heard.

Pure. A bot's entry is written when its speech is requested and shortened when its playback is cut: the transcript holds
what was heard, not what was meant.
"""

from dataclasses import replace

from voicecall.call.state import Call, Party, TranscriptEntry, Utterance

__all__ = [
    "asked_since_caller",
    "duration_ms",
    "follows_caller",
    "heard",
    "opens_reply",
    "reworded",
    "said",
    "said_of_turn",
    "shorten",
    "text_heard",
    "unsaid",
]

_QUESTION_MARKS = frozenset("?\uff1f\u061f\u037e")  # Latin, full-width, Arabic, Greek


def heard(call: Call, text: str, at: float, *, joined: bool = False) -> Call:
    """Add what the caller said. `joined`: it continues what they said last."""
    if joined and call.transcript and call.transcript[-1].speaker is Party.USER:
        *before, last = call.transcript
        return replace(call, transcript=(*before, replace(last, text=f"{last.text} {text}")))
    return replace(call, transcript=(*call.transcript, TranscriptEntry(at=at, speaker=Party.USER, text=text)))


def asked_since_caller(call: Call) -> bool:
    """Whether the bot has asked something since the caller spoke last: then even "mhm" is an answer."""
    for entry in reversed(call.transcript):
        if entry.speaker is Party.USER:
            return False
        if not _QUESTION_MARKS.isdisjoint(entry.text):
            return True
    return False


def said(call: Call, utterance: Utterance) -> Call:
    """Add an utterance that is being spoken."""
    entry = TranscriptEntry(
        at=utterance.asked_at, speaker=Party.BOT, text=utterance.text, utterance=utterance.no, turn=utterance.turn
    )
    return replace(call, transcript=(*call.transcript, entry))


def said_of_turn(call: Call, turn: int) -> tuple[str, ...]:
    """The sentences of the reply to `turn` that were spoken."""
    return tuple(entry.text for entry in call.transcript if entry.speaker is Party.BOT and entry.turn == turn)


def opens_reply(call: Call, utterance: Utterance) -> bool:
    """Whether this is the first utterance that replies to the newest turn."""
    if utterance.turn == 0 or utterance.turn != call.turn:
        return False
    first = next((entry for entry in call.transcript if entry.turn == utterance.turn), None)
    return first is not None and first.utterance == utterance.no


def follows_caller(call: Call, utterance: Utterance) -> bool:
    """Whether this is the first utterance since the caller's newest one."""
    entries = call.transcript
    place = next((n for n, entry in enumerate(entries) if entry.utterance == utterance.no), 0)
    return place > 0 and entries[place - 1].speaker is Party.USER


def reworded(call: Call, no: int, text: str) -> Call:
    """Another text is heard under this number."""
    entries = (replace(entry, text=text) if entry.utterance == no else entry for entry in call.transcript)
    return replace(call, transcript=tuple(entries))


def unsaid(call: Call, no: int) -> Call:
    """Remove the entry of an utterance that never began."""
    return replace(call, transcript=tuple(entry for entry in call.transcript if entry.utterance != no))


def shorten(call: Call, utterance: Utterance, heard_ms: float, total_ms: int | None) -> Call:
    """Keep of the utterance's entry what was played; remove the entry when that is nothing."""
    text = text_heard(utterance.text, heard_ms, total_ms or duration_ms(call, utterance.text))
    if not text:
        return unsaid(call, utterance.no)
    entries = (replace(entry, text=text) if entry.utterance == utterance.no else entry for entry in call.transcript)
    return replace(call, transcript=tuple(entries))


def duration_ms(call: Call, text: str) -> int:
    """How long the voice of this call takes for a text whose audio is not complete, about."""
    return round(len(text) * call.playback.ms_per_character)


def text_heard(text: str, heard_ms: float, total_ms: int | None) -> str:
    """The part of `text` that `heard_ms` of its audio carried, to the character, without trailing spaces."""
    share = min(1.0, max(0.0, heard_ms / total_ms)) if total_ms else 0.0
    return text[: int(len(text) * share)].rstrip()
