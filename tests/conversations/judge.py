"""The verdict on one conversation, from what was heard, said and recorded. Pure.

Kinds of complaint: "silent turn", "late", "false cut", "missed cut", "words" (others than expected were heard),
"record" (differs from what was heard or said), "pause" (playback was not cleared), and those of `play.py`.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from simulators.tones import Ended
from tests.conversations.script import Clip, Conversation, Cut, Expected, Resumed, Whole

__all__ = ["Complaint", "Evidence", "Said", "complaints", "waits_of"]

_CUT_WITHIN_MS = 1000  # from the caller's first sound to the last of the bot's
_CUT_SLACK = 10  # letters between the record of a text that was cut and what was heard of it
_GONE = "\ufffd"


@dataclass(frozen=True)
class Said:
    """An utterance of the caller, in ms since the answer."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All times in ms since the answer. `sounds`: the starts of the frames of 20 ms in which anything was heard.

    `clip_at`: where the recorded apology begins, for each time it was heard. `bot` and `user`: the record's lines.
    """

    heard: tuple[Ended, ...]
    said: tuple[Said, ...]
    sounds: tuple[int, ...]
    clips: int
    bot: tuple[str, ...]
    user: tuple[str, ...]
    clears: int
    over_ms: int
    keys: str = ""


@dataclass(frozen=True)
class Complaint:
    kind: str
    about: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}"


def complaints(talk: Conversation, found: Evidence) -> list[Complaint]:
    """Everything that is wrong with it."""
    reading = _Reading(list(found.heard), found.clips)
    told = [reading.take(item) for item in talk.heard]
    wrong = [*reading.wrong, *reading.rest()]
    wrong += _record_of_bot(talk.heard, told, found.bot)
    if list(talk.turns) != list(found.user):
        wrong.append(Complaint("record", f"of the caller it has {list(found.user)}, not {list(talk.turns)}"))
    wrong += _waits_judged(talk, found)
    wrong += _cuts_timed(talk, found)
    if found.keys != talk.keys:
        wrong.append(Complaint("words", f"the keys {found.keys!r} were heard, not {talk.keys!r}"))
    if found.clears < talk.pauses:
        wrong.append(Complaint("pause", f"playback was cleared {found.clears} times, not {talk.pauses}"))
    return wrong


# --- words


class _Reading:
    """Takes what was heard apart, expectation by expectation."""

    def __init__(self, heard: list[Ended], clips: int) -> None:
        self._heard = heard
        self._clips = clips
        self.wrong: list[Complaint] = []

    def take(self, item: Expected) -> str:
        """What was heard of this item."""
        match item:
            case Whole(text):
                return self._whole(text)
            case Cut(text, may_be_nothing):
                return self._cut(text, may_be_nothing=may_be_nothing)
            case Resumed(text):
                return self._resumed(text)
            case Clip():
                self._clips -= 1
                if self._clips < 0:
                    self.wrong.append(Complaint("words", "the recorded apology was not heard"))
                return ""

    def rest(self) -> list[Complaint]:
        """What was heard besides."""
        return [Complaint("words", f"heard besides: {each.text!r}") for each in self._heard]

    def _beginning(self, text: str) -> tuple[str, bool]:
        """The longest beginning of `text` that is next, and whether its last piece was complete."""
        got, complete = "", True
        while self._heard and complete and got != text:
            piece = self._heard[0]
            longer = f"{got} {piece.text}".strip().rstrip(_GONE)
            if not text.startswith(longer) or not piece.text.strip(_GONE):
                break
            got, complete = longer, piece.complete
            self._heard.pop(0)
        return got, complete

    def _whole(self, text: str) -> str:
        got, complete = self._beginning(text)
        if got == text and complete:
            return got
        if got and not complete:
            self.wrong.append(Complaint("false cut", f"only {got!r} of {text!r}"))
        else:
            following = repr(self._heard[0].text) if self._heard else "nothing"
            self.wrong.append(Complaint("words", f"{text!r} was expected; after {got!r} followed {following}"))
        return got

    def _cut(self, text: str, *, may_be_nothing: bool) -> str:
        got, complete = self._beginning(text)
        if got == text and complete:
            self.wrong.append(Complaint("missed cut", f"{text!r} was heard to its end"))
        elif not got and not may_be_nothing:
            following = repr(self._heard[0].text) if self._heard else "nothing"
            self.wrong.append(Complaint("words", f"a beginning of {text!r} was expected, not {following}"))
        return got

    def _resumed(self, text: str) -> str:
        got, complete = self._beginning(text)
        if got == text and complete:
            self.wrong.append(Complaint("missed cut", f"{text!r} was heard in one piece"))
            return got
        for start in _words_at(text, got):
            rest = text[start:]
            if self._heard and rest.startswith(self._heard[0].text):
                self._whole(rest)
                return text
        following = repr(self._heard[0].text) if self._heard else "nothing"
        self.wrong.append(Complaint("words", f"{text!r} was cut after {got!r}, then followed {following}"))
        return got


def _words_at(text: str, got: str) -> list[int]:
    """Where the word begins in which `text` was cut after `got`: the last that was heard of, or the next."""
    starts = [word.start() for word in re.finditer(r"\S+", text)]
    return sorted({max(start for start in starts if start <= len(got) + ahead) for ahead in (-1, 1)} if got else {0})


# --- the record


def _record_of_bot(expected: Sequence[Expected], told: Sequence[str], lines: Sequence[str]) -> list[Complaint]:
    """The bot's lines are what was heard: to the letter, and where it was cut to the word."""
    left = list(lines)
    for item, got in zip(expected, told, strict=True):
        written = _taken(left, item.text)
        if isinstance(item, Resumed) and written != item.text:
            starts = [word.start() for word in re.finditer(r"\S+", item.text) if word.start() <= len(written) + 1]
            rest = next((item.text[at:] for at in starts if left and item.text[at:].startswith(left[0])), "")
            is_right = bool(rest) and _taken(left, rest) == rest
        elif isinstance(item, Cut) and got != item.text:
            is_right = abs(len(written) - len(got)) <= _CUT_SLACK
        else:
            is_right = written == item.text
        if not is_right:
            return [Complaint("record", f"of {item.text!r} {got!r} was heard; it has {written!r}, then {left}")]
    return [Complaint("record", f"has besides what was heard: {left}")] if left else []


def _taken(lines: list[str], text: str) -> str:
    """Take the lines that are the beginning of the text, in order; what they are together."""
    got = ""
    while lines and got != text and text.startswith(longer := f"{got} {lines[0]}".strip()):
        got = longer
        lines.pop(0)
    return got


# --- time


def waits_of(talk: Conversation, found: Evidence) -> list[tuple[str, int | None]]:
    """For each turn of the caller, in the end: its last words, and the ms until something was heard; None: never."""
    asked = [said for said in found.said if said.text not in talk.asides]
    waits: list[tuple[str, int | None]] = []
    for number, said in enumerate(asked):
        place = bisect_left(found.sounds, said.end_ms)
        heard_at = found.sounds[place] if place < len(found.sounds) else None
        follows = asked[number + 1].start_ms if number + 1 < len(asked) else None
        if follows is not None and (heard_at is None or heard_at >= follows):
            continue  # they went on speaking: it is one turn
        waits.append((said.text, None if heard_at is None else heard_at - said.end_ms))
    return waits


def _waits_judged(talk: Conversation, found: Evidence) -> list[Complaint]:
    wrong = []
    for words, waited in waits_of(talk, found):
        if waited is None:
            wrong.append(Complaint("silent turn", f"nothing was heard after {words!r}"))
        elif waited > talk.within_ms:
            wrong.append(Complaint("late", f"{waited} ms after {words!r}, {talk.within_ms} at most"))
    return wrong


def _cuts_timed(talk: Conversation, found: Evidence) -> list[Complaint]:
    """Where the caller breaks in with words, the bot falls silent."""
    wrong = []
    for said in found.said:
        if said.text in talk.asides or said.end_ms - said.start_ms < _CUT_WITHIN_MS / 2:
            continue
        last = said.start_ms
        if not any(said.start_ms - 40 <= at <= said.start_ms + 40 for at in found.sounds):
            continue  # the bot was silent
        for at in found.sounds[bisect_left(found.sounds, said.start_ms) :]:
            if at > last + 200:
                break
            last = at
        if last - said.start_ms > _CUT_WITHIN_MS:
            wrong.append(Complaint("missed cut", f"spoke on for {last - said.start_ms} ms over {said.text!r}"))
    return wrong
