"""Speech recognition behind the transcription socket: audio in, speech events out, timed by the audio itself. Pure.

Silence is counted in samples received, not by a clock: ten seconds of audio sent at once give the same events as ten
seconds sent in real time.
"""

import binascii
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.tones import Decoder, Ended, Started, mulaw_from_pcm16

__all__ = ["Fact", "Hearing", "Intake", "SpeechStarted", "SpeechStopped"]

_SILENT_BASE64 = binascii.b2a_base64(b"\xff" * 160, newline=False).decode()
_SILENT_MULAW = b"\xff" * 160


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
        if self._in_turn and not self._speaking:
            self._stop_after_silence(self._decoder.now_ms, facts)
        return facts

    def take(self) -> str:
        """End the turn because the client committed it: its text is everything recognised since the last turn."""
        for event in self._decoder.close():
            if isinstance(event, Ended):
                self._texts.append(event.text)
        self._speaking = False
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


class Intake:
    """Converts the payloads of `input_audio_buffer.append` to mu-law. An incomplete sample waits for the next piece."""

    def __init__(self, format_: str) -> None:
        self._format = format_
        self._rest = b""

    def mulaw(self, payload: object) -> bytes:
        """The audio of one append, as mu-law. Raises ValueError when it is not base64."""
        if payload == _SILENT_BASE64 and self._format == "audio/pcmu":
            return _SILENT_MULAW
        if not isinstance(payload, str):
            raise ValueError("audio must be a string of base64")  # noqa: TRY004  all refusals are ValueErrors
        audio = binascii.a2b_base64(payload, strict_mode=True)
        if self._format == "audio/pcmu":
            return audio
        if self._format == "audio/pcma":
            return _MULAW_OF_ALAW[np.frombuffer(audio, np.uint8)].tobytes()
        return self._from_pcm24k(audio)

    def _from_pcm24k(self, audio: bytes) -> bytes:
        audio = self._rest + audio
        whole = len(audio) - len(audio) % 6
        self._rest = audio[whole:]
        thirds = np.frombuffer(audio[:whole], "<i2").reshape(-1, 3)
        return mulaw_from_pcm16(thirds.mean(axis=1).astype("<i2").tobytes())


def _mulaw_of_alaw() -> npt.NDArray[np.uint8]:
    code = np.arange(256) ^ 0x55
    exponent = code >> 4 & 7
    mantissa = (code & 15) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    linear = np.where(code & 0x80, magnitude, -magnitude).astype("<i2")
    return np.frombuffer(mulaw_from_pcm16(linear.tobytes()), np.uint8)


_MULAW_OF_ALAW = _mulaw_of_alaw()
