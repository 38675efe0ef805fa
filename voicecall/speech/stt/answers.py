"""Whether the service in use answers in time: to a pause, to loud audio, and to silence that follows speech.

A service may accept a connection and the audio, and never say anything, or say the same again and again. Used by
`session.py`, one per session; knows mu-law and time limits, no service.
"""

import asyncio
from typing import Final

__all__ = ["Answers"]

_QUIET: Final = bytes(code for code in range(256) if code & 0x7F >= 0x50)  # mu-law of less than about -31 dB
_SOUND: Final = 1_600  # loud samples of a word, which are kept until the service has judged them
_SPEECH: Final = 4_000  # of a short sentence, to which a service says something
_SILENCE: Final = 8_000  # quiet samples in a row after speech, to which a service says something
_DRAIN: Final = 8  # so many quiet samples undo a loud one: clicks of minutes are no sentence
_ALONE: Final = 3  # so many times as long is the end of speech waited for where no other service is left


class Answers:
    """`within_s`: how long an answer may take."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._limit: asyncio.Timeout | None = None
        self._has_another = False
        self._pause_s, self._end_s = 0.0, within_s
        self._is_due = False  # a transcript
        self._silent_at: float | None = None  # since then the end of speech is due: the caller is silent
        self._words = ""  # of the turn, as reported last
        self._loud = 0  # loud samples that the service has not answered
        self._quiet: int | None = None  # quiet ones in a row since it reported speech; None: it reported its end

    def begin(self, *, has_another: bool, pause_s: float) -> asyncio.Timeout:
        """The limit of a new connection; enter it around the reading of answers.

        `pause_s`: the longest pause that the service takes for one within a turn; so much longer may the end of speech
        take while it says anything. Without another service, only the end of speech has a limit: it is connected to
        once more, since the caller would wait for an answer for ever.
        """
        self._limit, self._has_another = asyncio.timeout(None), has_another
        self._pause_s, self._end_s = pause_s, self._within_s * (1 if has_another else _ALONE)
        self._is_due, self._silent_at = False, None
        self._loud, self._quiet, self._words = 0, None, ""
        return self._limit

    @property
    def why(self) -> str:
        """The reason when the limit has run out."""
        if self._is_due:
            return "no transcript in time"
        return "no answer to speech" if self._silent_at is None else "no end of speech"

    def is_sound(self, mulaw: bytes) -> bool:
        """Count audio that is sent; True when the service has something to judge that it has not reported yet."""
        loud = len(mulaw.translate(None, _QUIET))
        self._count_silence(loud, len(mulaw))
        if self._loud < _SPEECH:
            self._loud = max(0, self._loud + loud - (len(mulaw) - loud) // _DRAIN)
            if self._loud >= _SPEECH and not self._is_due and self._silent_at is None and self._has_another:
                self._set(self._within_s)
        return self._loud >= _SOUND

    def _count_silence(self, loud: int, size: int) -> None:
        """The service has reported speech, and the caller is silent since: the end of it is due."""
        if self._quiet is None or self._is_due:
            return
        if loud * _DRAIN > size:
            self._goes_on()
            return
        self._quiet += size
        if self._quiet >= _SILENCE and self._silent_at is None:
            self._silent_at = asyncio.get_running_loop().time()
            self._set(self._end_s)

    def _goes_on(self) -> None:
        """The caller still speaks."""
        self._quiet = 0
        if self._silent_at is not None:
            self._silent_at = None
            self._set(None)

    def spoke(self) -> None:
        """The service has reported speech."""
        self._quiet = 0

    def answered(self) -> None:
        """The service has said anything."""
        self._loud = 0
        if self._is_due:
            return
        if self._silent_at is None:
            self._set(None)
        else:
            self._set(self._silent_at + self._pause_s + self._end_s - asyncio.get_running_loop().time())

    def recognised(self, words: str) -> None:
        """The service has said what it has recognised of the turn; what is new shows that it hears the caller."""
        if words != self._words:
            self._words = words
            if self._quiet is not None:
                self._goes_on()

    def paused(self) -> None:
        """A pause was reported: its transcript is due. An earlier one that is due has the earlier limit."""
        self._over()
        if not self._is_due:
            self._is_due = True
            self._set(self._within_s if self._has_another else None)

    def transcribed(self, *, is_due: bool) -> None:
        """A transcript has come; `is_due`: that of another utterance has not."""
        self._over()
        self._is_due = is_due
        self._set(self._within_s if is_due and self._has_another else None)

    def _over(self) -> None:
        self._quiet, self._silent_at, self._words = None, None, ""

    def _set(self, seconds: float | None) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)
