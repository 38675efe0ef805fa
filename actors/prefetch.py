"""TTS that is started before its `Speak` is committed: the first sentence of a reply, and the opening text of a call.

Used by `speaker`. Nothing is sent before the commit: the audio waits here, bounded, until it is taken or dropped.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

from actors.read_ahead import ReadAhead
from voicecall.call.events import Failover
from voicecall.call.state import Call

__all__ = ["OPENING_S", "OpeningPrefetch", "TtsPrefetch"]

OPENING_S: Final = 30.0
"""So much audio of an opening text waits at most; then TTS waits."""

_SENTENCE_S: Final = 3.0
_BYTES_PER_S: Final = 8000  # mu-law, 8 kHz, one byte a sample


class TtsPrefetch:
    """For one text at a time. `synthesise`: text in, audio out. `most_s`: seconds of audio that wait."""

    def __init__(
        self, synthesise: Callable[[str], AsyncIterator[bytes | Failover]], *, most_s: float = _SENTENCE_S
    ) -> None:
        self._synthesise = synthesise
        self._most = round(most_s * _BYTES_PER_S)
        self._text = ""
        self._started: ReadAhead[bytes | Failover] | None = None

    @property
    def has_failed(self) -> bool:
        """What was started, and not taken, ended in an error before any audio."""
        return self._started is not None and self._started.has_failed

    def start(self, text: str) -> None:
        """Start TTS, unless this text is started already; what was started before and not taken is dropped."""
        if self._started is not None and self._text == text and not self.has_failed:
            return
        self.cancel()
        self._text, self._started = text, ReadAhead(self._synthesise(text), most=self._most)

    def take(self, text: str) -> AsyncIterator[bytes | Failover] | None:
        """The audio of `text` if that was started; otherwise None. Closing the audio stops TTS."""
        started, self._started = self._started, None
        if started is None:
            return None
        if text != self._text:
            started.cancel()
            return None
        return started.read()

    def cancel(self) -> None:
        """Stop TTS and drop its audio."""
        started, self._started = self._started, None
        if started is not None:
            started.cancel()


class OpeningPrefetch:
    """The text that a call opens with: synthesised once, while the phone rings, and dropped when it is not said first.

    An error is forgotten: the text is then synthesised when it is said.
    """

    def __init__(self, synthesise: Callable[[str], AsyncIterator[bytes | Failover]]) -> None:
        self._prefetch = TtsPrefetch(synthesise, most_s=OPENING_S)
        self._is_settled = False  # started, or not to be started any more

    def follow(self, call: Call) -> None:
        """Start when the leg is known and the text waits for it; drop the audio when there will be no stream."""
        if call.is_ending or call.is_native:
            self.drop()
        elif not self._is_settled and call.leg is not None and call.stream is None and call.playback.opening_text:
            self._is_settled = True
            self._prefetch.start(call.playback.opening_text)

    def take(self, text: str) -> AsyncIterator[bytes | Failover] | None:
        """The audio, for the first text that is said; None when it is another one."""
        self._is_settled = True
        if self._prefetch.has_failed:
            self._prefetch.cancel()
        return self._prefetch.take(text)

    def drop(self) -> None:
        self._is_settled = True
        self._prefetch.cancel()
