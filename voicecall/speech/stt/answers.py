"""Whether the service in use answers in time, where another could take over: to a pause, to loud audio, and to silence
that follows speech.

A service may accept a connection and the audio, and never say anything. Used by `session.py`, one per session; knows
mu-law and a time limit, no service.
"""

import asyncio
from typing import Final

__all__ = ["Answers"]

_QUIET: Final = bytes(code for code in range(256) if code & 0x7F >= 0x50)  # mu-law of less than about -31 dB
_SOUND: Final = 1_600  # loud samples of a word, which are kept until the service has judged them
_SPEECH: Final = 4_000  # of a short sentence, to which a service says something
_SILENCE: Final = 8_000  # quiet samples in a row after speech, to which a service says something
_DRAIN: Final = 8  # so many quiet samples undo a loud one: clicks of minutes are no sentence


class Answers:
    """`within_s`: how long an answer may take."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._limit: asyncio.Timeout | None = None
        self._is_due = False
        self._loud = 0  # loud samples that the service has not answered
        self._quiet: int | None = None  # quiet ones in a row since it reported speech; None: it reported its end

    def begin(self, *, is_limited: bool) -> asyncio.Timeout:
        """The limit of a new connection; enter it around the reading of answers. Not limited: only for `is_sound`."""
        limit = asyncio.timeout(None)
        self._limit = limit if is_limited else None
        self._is_due, self._loud, self._quiet = False, 0, None
        return limit

    @property
    def why(self) -> str:
        """The reason when the limit has run out."""
        if self._is_due:
            return "no transcript in time"
        return "no answer to speech" if self._quiet is None else "no end of speech"

    def is_sound(self, mulaw: bytes) -> bool:
        """Count audio that is sent; True when the service has something to judge that it has not reported yet."""
        loud = len(mulaw.translate(None, _QUIET))
        self._count_silence(loud, len(mulaw))
        if self._loud < _SPEECH:
            self._loud = max(0, self._loud + loud - (len(mulaw) - loud) // _DRAIN)
            if self._loud >= _SPEECH and not self._is_due:
                self._set(self._within_s)
        return self._loud >= _SOUND

    def _count_silence(self, loud: int, size: int) -> None:
        """The service has reported speech, and the caller is silent since: the end of it is due."""
        if self._quiet is None or self._quiet >= _SILENCE or self._is_due:
            return
        self._quiet = 0 if loud * _DRAIN > size else self._quiet + size
        if self._quiet >= _SILENCE:
            self._set(self._within_s)

    def spoke(self) -> None:
        """The service has reported speech."""
        self._quiet = 0

    def answered(self) -> None:
        """The service has said anything."""
        self._loud = 0
        if self._quiet is not None:
            self._quiet = 0
        if not self._is_due:
            self._set(None)

    def paused(self) -> None:
        """A pause was reported: its transcript is due. An earlier one that is due has the earlier limit."""
        self._quiet = None
        if not self._is_due:
            self._is_due = True
            self._set(self._within_s)

    def transcribed(self, *, is_due: bool) -> None:
        """A transcript has come; `is_due`: that of another utterance has not."""
        self._is_due, self._quiet = is_due, None
        self._set(self._within_s if is_due else None)

    def _set(self, seconds: float | None) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)
