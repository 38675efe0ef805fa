"""A stream whose carrier hears and speaks: texts go out, and what was heard and said comes back, as for any stream.

What the carrier reports becomes the call's events: a prompt `Heard`, what was played `PlaybackBegan` and
`PlaybackDone`, an interruption a cut at the word that was heard last. They go to the call's log at once, so no prompt
depends on a worker. The next text is given to the carrier while the one before is played: never more than two, so that
little is lost by a cut. Fenced by epoch like every stream (guarantee P1).
"""

import asyncio
from collections import deque
from typing import Any, Final

from ingress.streams import Stream, WorkerItem
from voicecall.call.events import Event, Heard, PlaybackBegan, PlaybackDone, SpeechStarted, SpeechStopped
from voicecall.carriers.common import relay
from voicecall.ports import (
    Attach,
    Clear,
    Detach,
    RelayIn,
    RelayInterrupted,
    RelayPlayed,
    RelayPrompt,
    RelaySpeaking,
    Say,
)

__all__ = ["TextStream"]

_AT_ONCE: Final = 2  # texts that the carrier has at a time
_MS_PER_LETTER: Final = 65  # where the carrier does not report what it has played
_LATE_S: Final = 1.5  # for such a report


class _Text:
    """One text. `played`: as far as the carrier has reported."""

    def __init__(self, say: Say) -> None:
        self.no = say.utterance
        self.text = say.text
        self.interruptible = say.interruptible
        self.is_sent = False
        self.begun_at: float | None = None
        self.played = ""

    @property
    def has_begun(self) -> bool:
        return self.begun_at is not None

    @property
    def total_ms(self) -> int:
        return max(1, len(self.text) * _MS_PER_LETTER)

    def done(self, heard: str | None = None) -> PlaybackDone:
        """`heard`: a beginning of it; None: all of it. The length of a text stands for that of its sound."""
        letters = len(self.text) if heard is None else _letters_heard(self.text, heard)
        complete = letters >= len(self.text)
        heard_ms = self.total_ms if complete else letters * _MS_PER_LETTER + (1 if letters else 0)
        return PlaybackDone(utterance=self.no, heard_ms=heard_ms, total_ms=self.total_ms, complete=complete)


class TextStream(Stream):
    """As `Stream`, for text."""

    is_text = True

    def __init__(self, **of_stream: Any) -> None:
        super().__init__(**of_stream)
        self._texts: deque[_Text] = deque()
        self._is_reported = self._codec.reports_played
        self._overdue: asyncio.TimerHandle | None = None

    # --- from the carrier

    def on_text(self, item: RelayIn) -> None:
        match item:
            case RelayPrompt():
                self._all_played()
                self.outbox.put(Heard(text=item.text, final=item.is_final, language=item.language))
            case RelayInterrupted(heard=heard):
                self._interrupted(heard)
            case RelayPlayed(text=text):
                self._played(text)
            case RelaySpeaking(is_caller=True, is_on=is_on):
                if not self._texts:
                    self.outbox.put(SpeechStarted() if is_on else SpeechStopped())
            case RelaySpeaking(is_on=True):
                self._begin()
            case RelaySpeaking():
                pass

    def _begin(self) -> None:
        if self._texts and not self._texts[0].has_begun:
            self._texts[0].begun_at = self._pacer.clock()
            self.outbox.put(PlaybackBegan(utterance=self._texts[0].no))

    def _played(self, text: str) -> None:
        """More was played; it may complete several texts."""
        left = _letters(text)
        while self._texts and left:
            first = self._texts[0]
            self._begin()
            missing = len(_letters(first.text)) - len(_letters(first.played))
            first.played += left[:missing]
            left = left[missing:]
            if len(_letters(first.played)) >= len(_letters(first.text)):
                self._complete()
        self._expect()

    def _complete(self) -> None:
        self._begin()
        self.outbox.put(self._texts.popleft().done())
        self._send_next()
        if self._texts and self._texts[0].is_sent:
            self._begin()

    def _all_played(self) -> None:
        """Words without an interruption before them: without a report, what the carrier had been given is played."""
        while not self._is_reported and self._texts and self._texts[0].is_sent:
            self._complete()

    def _interrupted(self, heard: str) -> None:
        """The carrier has stopped speaking. What it was given and had not begun is not said any more."""
        events: list[Event] = [SpeechStarted()]
        while self._texts:
            first = self._texts.popleft()
            if not first.has_begun and heard:
                events.append(PlaybackBegan(utterance=first.no))
            if first.has_begun or heard:
                events.append(first.done(heard or self._heard_of(first)))
            heard = ""
        self._cancel()
        self.outbox.put(*events)

    # --- from the worker

    def _hand_over(self, *, for_restart: bool) -> None:
        """What the carrier has is said to its end; what it has not, the new owner says."""
        del for_restart
        self._texts = deque(text for text in self._texts if text.is_sent)

    def _take(self, item: WorkerItem) -> None:
        match item:
            case Attach():
                super()._take(item)
            case Say():
                self._say(item)
            case Clear():
                self._clear()
            case Detach():
                self.socket.send([relay.end()])
                self.socket.close(1000, "call over")
            case _:
                pass  # of audio

    def _say(self, say: Say) -> None:
        for text in self._texts:
            if text.is_sent and not text.has_begun and text.text == say.text:
                text.no = say.utterance  # the carrier has it from the owner before
                return
        self._texts.append(_Text(say))
        self._send_next()

    def _send_next(self) -> None:
        for text in list(self._texts)[:_AT_ONCE]:
            if not text.is_sent:
                text.is_sent = True
                self.socket.send([relay.say(text.text, interruptible=text.interruptible)])
        if not self._is_reported:
            self._begin()
        self._expect()

    def _clear(self) -> None:
        """Nothing more is given to the carrier; what it has it says, unless the caller has interrupted it."""
        reports = [text.done(self._heard_of(text)) for text in self._texts if text.has_begun]
        self._texts.clear()
        self._cancel()
        self.outbox.put(*reports)

    # --- where the carrier does not report

    def _expect(self) -> None:
        """Without a report in time, the clock decides how far the carrier is."""
        self._cancel()
        if self._texts:
            first = self._texts[0]
            within_s = len(first.text) * _MS_PER_LETTER / 1000 + (_LATE_S * 4 if self._is_reported else _LATE_S)
            self._overdue = asyncio.get_running_loop().call_later(within_s, self._complete)

    def _heard_of(self, text: _Text) -> str:
        """How far a text has been played, by the carrier's reports, else by the clock."""
        if self._is_reported or text.begun_at is None:
            return text.played
        return text.text[: max(0, int((self._pacer.clock() - text.begun_at) * 1000 / _MS_PER_LETTER))]

    def _cancel(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    # --- end

    @property
    def is_between(self) -> bool:
        return not self._texts

    @property
    def is_deferring(self) -> bool:
        return False

    def end(self, *, for_restart: bool = False) -> list[Event]:
        del for_restart
        self._cancel()
        self._worker = None
        reports: list[Event] = [text.done(self._heard_of(text)) for text in self._texts if text.has_begun]
        self._texts.clear()
        return reports


def _letters(text: str) -> str:
    """What of a text is compared: a carrier may write blanks and capitals otherwise."""
    return "".join(text.split())


def _letters_heard(text: str, heard: str) -> int:
    """How many characters of `text` belong to what was heard of it."""
    left = len(_letters(heard))
    for place, char in enumerate(text):
        if left == 0:
            return place
        left -= not char.isspace()
    return len(text)
