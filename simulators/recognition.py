"""Speech recognition behind the simulators' sockets: audio in, speech events out, timed by the audio itself. Pure.

Silence is counted in samples received, not by a clock: ten seconds of audio sent at once give the same events as ten
seconds sent in real time.
"""

from dataclasses import dataclass

from simulators.tones import Char, Decoder, Ended, Started

__all__ = ["Fact", "Hearing", "SpeechStarted", "SpeechStopped"]


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech begins at this millisecond of the audio."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The latest turn is over; `text` is its transcript."""

    at_ms: int
    text: str


Fact = SpeechStarted | SpeechStopped


class Hearing:
    """Recognises one stream of mu-law. With `silence_ms` it ends turns itself; without, `take` does."""

    def __init__(self, *, silence_ms: int | None, at_symbol: bool, from_ms: int = 0) -> None:
        self._silence_ms = silence_ms
        self._at_symbol = at_symbol
        self._from_ms = from_ms
        self._decoder = Decoder(silence_ms=silence_ms or 500)
        self._in_turn = False
        self._speaking = False
        self._ended_ms = 0
        self._texts: list[str] = []
        self._open = ""  # what was recognised of an utterance that has not ended

    @property
    def so_far(self) -> str:
        """What was recognised of the turn that is not over."""
        return " ".join(filter(None, [*self._texts, self._open]))

    @property
    def pause_ms(self) -> int | None:
        """How long the speaker has been silent within a turn; None while speaking, and outside of turns."""
        return self._decoder.now_ms - self._ended_ms if self._in_turn and not self._speaking else None

    @property
    def now_ms(self) -> int:
        """The amount of audio received, in milliseconds."""
        return self._from_ms + self._decoder.now_ms

    def feed(self, mulaw: bytes) -> list[Fact]:
        """Take the next piece of audio, of any length; returns the events in it."""
        facts: list[Fact] = []
        for event in self._decoder.feed(mulaw):
            if isinstance(event, Started):
                self._on_started(event, facts)
            elif isinstance(event, Ended):
                self._on_ended(event, facts)
            elif isinstance(event, Char):
                self._open += event.text
        if self._in_turn and not self._speaking:
            self._stop_after_silence(self._decoder.now_ms, facts)
        return facts

    def take(self) -> str:
        """End the turn because the client committed it: its text is everything recognised since the last turn."""
        for event in self._decoder.close():
            if isinstance(event, Ended):
                self._texts.append(event.text)
        self._speaking = False
        self._open = ""
        return self._end_turn()

    def _on_started(self, event: Started, facts: list[Fact]) -> None:
        if self._in_turn and not self._speaking:
            self._stop_after_silence(event.at_ms, facts)
        self._speaking = True
        if not self._in_turn and self._silence_ms is not None:
            self._in_turn = True
            facts.append(SpeechStarted(self._from_ms + event.at_ms))

    def _on_ended(self, event: Ended, facts: list[Fact]) -> None:
        self._speaking = False
        self._ended_ms = event.end_ms
        self._open = ""
        self._texts.append(event.text)
        if self._in_turn and self._at_symbol and event.closed:
            facts.append(SpeechStopped(self._from_ms + event.end_ms, self._end_turn()))

    def _stop_after_silence(self, now_ms: int, facts: list[Fact]) -> None:
        if self._silence_ms is not None and now_ms - self._ended_ms >= self._silence_ms:
            at_ms = self._from_ms + self._ended_ms + self._silence_ms
            facts.append(SpeechStopped(at_ms, self._end_turn()))

    def _end_turn(self) -> str:
        """End the turn with the utterances that have ended; an utterance in progress belongs to the next turn."""
        self._in_turn = False
        texts, self._texts = self._texts, []
        return " ".join(filter(None, texts))
