"""Finds utterances in a caller's audio, and the pauses within them at which transcribing is worth beginning.

An utterance ends with the pause that the session asks for. Its transcript is wanted then, so it is begun at the first
fifth of a second of silence: when the caller says no more, it is ready in time, and when they go on, it is what they
have said so far. Pure; time is counted in audio.
"""

from dataclasses import dataclass
from typing import Final

from voicecall.audio.framing import FRAME_BYTES, FRAME_MS, Framer
from voicecall.call.events import SpeechStarted
from voicecall.speech.vad import VoiceActivity

__all__ = ["Began", "Ended", "Finding", "Paused", "Resumed", "Utterances"]

_PAUSE_MS: Final = 200
_LATE_MS: Final = 120  # the detector reports a beginning so late
_BYTES_PER_MS: Final = 8
_LONGEST: Final = 28_000 * _BYTES_PER_MS  # Whisper hears thirty seconds at once


@dataclass(frozen=True, slots=True)
class Began:
    """The caller speaks, from this millisecond of the audio on."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The caller is silent, perhaps for good. `audio`: the utterance so far."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Resumed:
    """The caller goes on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is over. `audio` is what the last `Paused` had, unless `goes_on`: it was cut for its length."""

    at_ms: int
    audio: bytes
    goes_on: bool = False


Finding = Began | Paused | Resumed | Ended


class Utterances:
    """Of one caller. `silence_ms`: the pause that ends an utterance; `prefix_ms`: audio that is kept before it."""

    def __init__(self, *, silence_ms: int, threshold: float, prefix_ms: int) -> None:
        pause_ms = min(_PAUSE_MS, silence_ms)
        self._detector = VoiceActivity(silence_ms=pause_ms, threshold=threshold)
        self._wait = max(0, silence_ms - pause_ms) // FRAME_MS  # frames between `Paused` and `Ended`
        self._before = (prefix_ms + _LATE_MS) * _BYTES_PER_MS
        self._framer = Framer()
        self._audio = bytearray()  # of the utterance, or what was heard before one
        self._heard: bytes | None = None  # up to the pause; None while the caller speaks
        self._is_open = False
        self._quiet = 0
        self.now_ms = 0

    def feed(self, mulaw: bytes) -> list[Finding]:
        """What is found in this audio, of any length."""
        return [found for frame in self._framer.feed(mulaw) for found in self._judge(frame)]

    def _judge(self, frame: bytes) -> list[Finding]:
        self._audio += frame
        self.now_ms += FRAME_MS
        changes = self._detector.feed(frame)
        if not self._is_open:
            return self._begin() if any(isinstance(change, SpeechStarted) for change in changes) else self._forget()
        if changes:
            return self._change(began=isinstance(changes[-1], SpeechStarted))
        if self._heard is not None:
            self._quiet += 1
            return self._end() if self._quiet >= self._wait else []
        return self._cut() if len(self._audio) >= _LONGEST else []

    def _begin(self) -> list[Finding]:
        self._is_open, self._heard = True, None
        return [Began(max(0, self.now_ms - len(self._audio) // _BYTES_PER_MS))]

    def _forget(self) -> list[Finding]:
        del self._audio[: max(0, len(self._audio) - self._before - FRAME_BYTES)]
        return []

    def _change(self, *, began: bool) -> list[Finding]:
        if began:
            self._heard = None
            return [Resumed()]
        self._heard, self._quiet = bytes(self._audio), 0
        return [Paused(self._heard), *(() if self._wait else self._end())]

    def _end(self) -> list[Finding]:
        audio, self._heard = self._heard or b"", None
        self._is_open = False
        self._forget()
        return [Ended(self.now_ms, audio)]

    def _cut(self) -> list[Finding]:
        audio = bytes(self._audio)
        self._audio.clear()
        return [Ended(self.now_ms, audio, goes_on=True), Began(self.now_ms)]
