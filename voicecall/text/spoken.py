"""The part of a written text that is speech: no reasoning, no JSON around it, and no planning in a model's reply.

Pure and incremental. `SpokenText` reads the replies of models and agent hosts, `speech_in` a whole message of an API
client, which plans nothing. `plain` removes markup later. Each sentence is held until the text after it shows that it
is not about an envelope ("Here is the JSON: {…}"); a voice needs a sentence whole in any case.
"""

from typing import Final

from voicecall.text.envelope import Envelope, Envelopes
from voicecall.text.planning import Kind, ends_sentence, is_planned, judge, without_label
from voicecall.text.reasoning import Lone, Reasoning

__all__ = ["SpokenText", "speech_in"]

_LONGEST: Final = 120  # a longer sentence is not held to its end, unless it plans
_NEXT_LONGEST: Final = 60  # of one behind an interjection: enough to judge it
_PLAN_LONGEST: Final = 1_000
_END_LONGEST: Final = 12  # characters that show the end of a sentence


class SpokenText:
    """Of one reply. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._reasoning = Reasoning()
        self._envelopes = Envelopes()
        self._sentences = _Sentences()
        self._has_envelope = False

    def feed(self, piece: str) -> str:
        """The text that can be spoken now."""
        return "".join(self._outside(part) for part in self._reasoning.feed(piece))

    def flush(self) -> str:
        """The rest, at the end of the reply. Feed nothing more."""
        rest = "".join(self._outside(part) for part in self._reasoning.flush())
        rest += self._written(self._envelopes.flush())
        return rest + self._sentences.flush()

    def _outside(self, part: str | Lone) -> str:
        if isinstance(part, Lone):
            # All before it was reasoning; what has been passed on cannot be taken back.
            self._envelopes, self._sentences, self._has_envelope = Envelopes(), _Sentences(), False
            return ""
        return self._written(self._envelopes.feed(part))

    def _written(self, parts: list[str | Envelope]) -> str:
        return "".join(self._part(part) for part in parts)

    def _part(self, part: str | Envelope) -> str:
        if isinstance(part, Envelope):
            self._sentences.drop()
            separator, self._has_envelope = " " if self._has_envelope else "", True
            return separator + part.text
        return "" if self._has_envelope else self._sentences.feed(part)


def speech_in(text: str) -> str:
    """The speech in a whole text of an API client or of the configuration."""
    reasoning, envelopes = Reasoning(), Envelopes()
    said = ""
    for part in (*reasoning.feed(text), *reasoning.flush()):
        said = "" if isinstance(part, Lone) else said + part
    parts = [*envelopes.feed(said), *envelopes.flush()]
    found = [part.text for part in parts if isinstance(part, Envelope)]
    return " ".join(found) if found else "".join(part for part in parts if isinstance(part, str))


class _Sentences:
    """Holds each sentence until it is known to be for the caller, and drops planning at the beginning of a reply."""

    def __init__(self) -> None:
        self._sentence = ""
        self._planned: list[tuple[str, Kind]] = []  # sentences that are planning, or may be
        self._is_complete = False  # the sentence is, and it is for the caller
        self._passes = False  # the sentence is too long to be held
        self._judges = True  # until the first sentence for the caller, or, behind planning, to the end
        self._plans = False

    def feed(self, text: str) -> str:
        return "".join(map(self._read, text))

    def drop(self) -> None:
        """What is held was about the reply."""
        self._sentence, self._planned, self._is_complete, self._passes = "", [], False, False

    def flush(self) -> str:
        if self._passes or self._judge() is Kind.SPEECH:
            return self._released()
        self._set_aside()
        planned, self._planned = self._planned, []
        drops = is_planned([kind for _, kind in planned], alone=not self._plans)
        return "" if drops else without_label("".join(sentence for sentence, _ in planned))

    def _read(self, char: str) -> str:
        if self._is_complete:
            if not char.isspace():
                return self._released() + self._read(char)
            self._sentence += char
            return ""
        if not self._sentence and char.isspace() and self._judges:
            return ""
        self._sentence += char
        if self._passes:
            self._sentence = self._sentence[-_END_LONGEST:]
            if char.isspace() and ends_sentence(self._sentence):
                self.drop()
            return char
        if char.isspace() and ends_sentence(self._sentence):
            self._is_complete = self._judge() is Kind.SPEECH
            if not self._is_complete:
                self._set_aside()
            return ""
        return self._overlong() if len(self._sentence) >= (_NEXT_LONGEST if self._planned else _LONGEST) else ""

    def _judge(self) -> Kind:
        return judge(self._sentence) if self._judges else Kind.SPEECH

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
        self._planned.append((self._sentence, judge(self._sentence)))
        self._sentence = ""

    def _released(self) -> str:
        """The sentence, and those before it unless they were planning."""
        planned, sentence = self._planned, "" if self._passes else self._sentence
        self.drop()
        drops = is_planned([kind for _, kind in planned], alone=False)
        has_label, self._plans = self._judges and (drops or not self._plans), self._plans or drops
        self._judges = self._plans
        text = sentence if drops else "".join(text for text, _ in planned) + sentence
        return without_label(text) if has_label else text
