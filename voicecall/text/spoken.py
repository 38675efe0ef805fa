"""The part of a written text that is speech: no reasoning, no JSON around it, and no planning in a model's reply.

Pure and incremental. `SpokenText` reads the replies of models and agent hosts, `speech_in` a whole message of an API
client, which plans nothing. `plain` removes markup later. A reply's first sentence is held until the text after it
shows that it is not about an envelope ("Here is the JSON: {…}"); a voice needs that sentence whole in any case.
"""

from typing import Final

from voicecall.text.envelope import Envelope, Envelopes
from voicecall.text.planning import Kind, ends_sentence, is_planned, judge, without_label
from voicecall.text.reasoning import Lone, Reasoning

__all__ = ["SpokenText", "speech_in"]

_FIRST_LONGEST: Final = 120  # a longer first sentence is not waited for, unless it plans
_NEXT_LONGEST: Final = 60  # of one behind an interjection: enough to judge it
_PLAN_LONGEST: Final = 1_000


class SpokenText:
    """Of one reply. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._reasoning = Reasoning()
        self._envelopes = Envelopes()
        self._opening = _Opening()
        self._has_envelope = False

    def feed(self, piece: str) -> str:
        """The text that can be spoken now."""
        return "".join(self._outside(part) for part in self._reasoning.feed(piece))

    def flush(self) -> str:
        """The rest, at the end of the reply. Feed nothing more."""
        rest = "".join(self._outside(part) for part in self._reasoning.flush())
        rest += self._written(self._envelopes.flush())
        return rest + self._opening.flush()

    def _outside(self, part: str | Lone) -> str:
        if isinstance(part, Lone):
            # All before it was reasoning; what has been passed on cannot be taken back.
            self._envelopes, self._opening, self._has_envelope = Envelopes(), _Opening(), False
            return ""
        return self._written(self._envelopes.feed(part))

    def _written(self, parts: list[str | Envelope]) -> str:
        return "".join(self._part(part) for part in parts)

    def _part(self, part: str | Envelope) -> str:
        if isinstance(part, Envelope):
            self._opening.drop()
            separator, self._has_envelope = " " if self._has_envelope else "", True
            return separator + part.text
        return "" if self._has_envelope else self._opening.feed(part)


def speech_in(text: str) -> str:
    """The speech in a whole text of an API client or of the configuration."""
    reasoning, envelopes = Reasoning(), Envelopes()
    said = ""
    for part in (*reasoning.feed(text), *reasoning.flush()):
        said = "" if isinstance(part, Lone) else said + part
    parts = [*envelopes.feed(said), *envelopes.flush()]
    found = [part.text for part in parts if isinstance(part, Envelope)]
    return " ".join(found) if found else "".join(part for part in parts if isinstance(part, str))


class _Opening:
    """Holds the beginning of a reply until it is known to be for the caller, and drops planning."""

    def __init__(self) -> None:
        self._sentence = ""
        self._planned: list[tuple[str, Kind]] = []  # sentences that are planning, or may be
        self._is_speech = False  # the sentence is complete, and for the caller
        self._passes = False
        self._plans = False  # planning was found: every sentence of this reply is judged

    def feed(self, text: str) -> str:
        return text if self._passes else "".join(map(self._read, text))

    def drop(self) -> None:
        """What is held was about the reply."""
        self._sentence, self._planned, self._is_speech = "", [], False

    def flush(self) -> str:
        if self._sentence and judge(self._sentence) is Kind.SPEECH:
            return self._released()
        self._set_aside()
        planned, self._planned = self._planned, []
        drops = is_planned([kind for _, kind in planned], alone=not self._plans)
        return "" if drops else without_label("".join(sentence for sentence, _ in planned))

    def _read(self, char: str) -> str:
        if self._passes:
            return char
        if self._is_speech:
            if not char.isspace():
                return self._released() + self._read(char)
            self._sentence += char
            return ""
        if not self._sentence and char.isspace():
            return ""
        self._sentence += char
        if ends_sentence(self._sentence):
            self._is_speech = judge(self._sentence) is Kind.SPEECH
            if not self._is_speech:
                self._set_aside()
            return ""
        return self._overlong() if len(self._sentence) >= (_NEXT_LONGEST if self._planned else _FIRST_LONGEST) else ""

    def _overlong(self) -> str:
        kind = judge(self._sentence)
        if kind in (Kind.SPEECH, Kind.FILLER):
            return self._released()
        if len(self._sentence) >= _PLAN_LONGEST:
            self._set_aside()
        return ""

    def _set_aside(self) -> None:
        self._planned.append((self._sentence, judge(self._sentence)))
        self._sentence = ""

    def _released(self) -> str:
        """The sentence, and those before it unless they were planning."""
        planned, sentence = self._planned, self._sentence
        self.drop()
        drops = is_planned([kind for _, kind in planned], alone=False)
        is_first, self._plans = not self._plans, self._plans or drops
        self._passes = not self._plans
        text = sentence if drops else "".join(text for text, _ in planned) + sentence
        return without_label(text) if is_first else text
