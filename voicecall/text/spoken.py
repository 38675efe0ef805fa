"""The part of a written text that is speech: no reasoning, no JSON around it, and no planning in a model's reply.

Pure and incremental. `SpokenText` reads the replies of models and agent hosts, `speech_in` a whole message of an API
client, which plans nothing. `plain` removes markup later. Each sentence is held until the text after it shows that it
is not about an envelope ("Here is the JSON: {…}") or a tag around the reply; a voice needs a sentence whole in any
case.
"""

from typing import Final

from voicecall.text.answers import Answers, Mark
from voicecall.text.envelope import Envelope, Envelopes
from voicecall.text.labels import begins_answer, may_begin_answer, without_label
from voicecall.text.planning import Kind, ends_sentence, is_planned, judge, judge_later
from voicecall.text.reasoning import Lone, Reasoning
from voicecall.text.stripped import StrippedChannels

__all__ = ["SpokenText", "speech_in"]

_LONGEST: Final = 120  # a longer sentence is not held to its end, unless it plans
_NEXT_LONGEST: Final = 60  # of one behind an interjection: enough to judge it
_PLAN_LONGEST: Final = 1_000
_ENDS: Final = frozenset("。\uff01\uff1f")  # no space follows them
_END_LONGEST: Final = 12  # characters that show the end of a sentence


class SpokenText:
    """Of one reply. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._channels = StrippedChannels()
        self._reasoning = Reasoning()
        self._begin()

    def feed(self, piece: str) -> str:
        """The text that can be spoken now."""
        return self._unreasoned(self._reasoning.feed(self._channels.feed(piece)))

    def flush(self) -> str:
        """The rest, at the end of the reply. Feed nothing more."""
        rest = self._unreasoned(self._reasoning.feed(self._channels.flush()))
        rest += self._unreasoned(self._reasoning.flush())
        rest += self._answered(self._answers.flush())
        return rest + self._rest()

    def _begin(self) -> None:
        self._answers, self._envelopes, self._sentences = Answers(), Envelopes(), _Sentences()
        self._is_marked = False  # the reply stood in an envelope or between tags, and what follows is about it

    def _unreasoned(self, parts: list[str | Lone]) -> str:
        said = ""
        for part in parts:
            if isinstance(part, Lone):
                # All before it was reasoning; what has been passed on cannot be taken back.
                self._begin()
            else:
                said += self._answered(self._answers.feed(part))
        return said

    def _answered(self, parts: list[str | Mark]) -> str:
        said = ""
        for part in parts:
            if isinstance(part, str):
                said += self._written(self._envelopes.feed(part))
            elif part is Mark.BEGIN:
                said += " " if self._is_marked else ""
                self._envelopes, self._sentences, self._is_marked = Envelopes(), _Sentences(), False
            else:
                said += self._rest()
                self._is_marked = True
        return said

    def _rest(self) -> str:
        rest = self._written(self._envelopes.flush()) + self._sentences.flush()
        self._envelopes, self._sentences = Envelopes(), _Sentences()
        return rest

    def _written(self, parts: list[str | Envelope]) -> str:
        return "".join(self._part(part) for part in parts)

    def _part(self, part: str | Envelope) -> str:
        if isinstance(part, Envelope):
            self._sentences.drop()
            separator, self._is_marked = " " if self._is_marked else "", True
            return separator + part.text
        return "" if self._is_marked else self._sentences.feed(part)


def speech_in(text: str) -> str:
    """The speech in a whole text of an API client or of the configuration."""
    channels, reasoning, envelopes = StrippedChannels(), Reasoning(), Envelopes()
    said = ""
    for part in (*reasoning.feed(channels.feed(text) + channels.flush()), *reasoning.flush()):
        said = "" if isinstance(part, Lone) else said + part
    parts = [*envelopes.feed(said), *envelopes.flush()]
    found = [part.text for part in parts if isinstance(part, Envelope)]
    return " ".join(found) if found else "".join(part for part in parts if isinstance(part, str))


class _Sentences:
    """Holds each sentence until it is known to be for the caller, and drops planning at the beginning of a reply."""

    def __init__(self) -> None:
        self._sentence = ""
        self._next = ""  # behind a complete sentence, what may become a "Final answer:"
        self._planned: list[tuple[str, Kind]] = []  # sentences that are planning, or may be
        self._is_complete = False  # the sentence is, and it is for the caller
        self._passes = False  # the sentence is too long to be held
        self._judges = True  # until the first sentence for the caller, or, behind planning, to the end
        self._plans = False
        self._is_answer = False  # a "Final answer:" stood before it

    def feed(self, text: str) -> str:
        return "".join(map(self._read, text))

    def drop(self) -> None:
        """What is held was about the reply."""
        self._sentence, self._next, self._planned, self._is_complete, self._passes = "", "", [], False, False

    def flush(self) -> str:
        before = self._go_on() if self._next else ""
        if self._passes or self._judge() is Kind.SPEECH:
            return before + self._released()
        self._set_aside()
        planned, self._planned = self._planned, []
        drops = is_planned([kind for _, kind in planned], alone=not self._plans)
        return before + ("" if drops else without_label("".join(sentence for sentence, _ in planned)))

    def _read(self, char: str) -> str:
        if self._is_complete:
            return self._read_behind(char)
        if not self._sentence and (char.isspace() or (self._is_answer and char in "*_")) and self._skips():
            return ""
        self._sentence += char
        ends = (char.isspace() or char in _ENDS) and ends_sentence(self._sentence)
        if self._passes:
            self._sentence = self._sentence[-_END_LONGEST:]
            if ends:
                self.drop()
            return char
        if ends:
            self._is_complete = self._judge() is Kind.SPEECH
            if not self._is_complete:
                self._set_aside()
            return ""
        return self._overlong() if len(self._sentence) >= (_NEXT_LONGEST if self._planned else _LONGEST) else ""

    def _read_behind(self, char: str) -> str:
        """A character behind a sentence for the caller: it shows whether that was the reply."""
        if char.isspace() and not self._next:
            self._sentence += char
            return ""
        self._next += char
        if begins_answer(self._next):
            self.drop()
            self._judges, self._is_answer = False, True
            return ""
        return "" if may_begin_answer(self._next) else self._go_on()

    def _go_on(self) -> str:
        """Pass the complete sentence, and read what stands behind it."""
        following, self._next = self._next, ""
        return self._released() + self.feed(following)

    def _skips(self) -> bool:
        return self._judges or self._is_answer

    def _judge(self) -> Kind:
        return judge(self._sentence) if self._judges else judge_later(self._sentence)

    def _overlong(self) -> str:
        if self._judge() in (Kind.SPEECH, Kind.FILLER):
            sentence = self._sentence
            released = self._released()
            self._sentence, self._passes = sentence[-_END_LONGEST:], True
            return released
        if len(self._sentence) >= _PLAN_LONGEST:
            self._set_aside()
        return ""

    def _set_aside(self) -> None:
        self._planned.append((self._sentence, self._judge()))
        self._sentence = ""
        self._plans = self._plans or not self._judges  # planning behind the reply: judge what follows as such

    def _released(self) -> str:
        """The sentence, and those before it unless they were planning."""
        planned, sentence = self._planned, "" if self._passes else self._sentence
        self.drop()
        self._is_answer = False
        drops = is_planned([kind for _, kind in planned], alone=False)
        has_label, self._plans = self._judges and (drops or not self._plans), self._plans or drops
        self._judges = self._plans
        text = sentence if drops else "".join(text for text, _ in planned) + sentence
        return without_label(text) if has_label else text
