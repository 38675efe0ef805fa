"""What our own detectors make of a caller's audio, beside speech recognition.

Used by the listener of one activation. Learns the noise of the line, and judges by it whether a sound that recognition
reports stands out; finds the end of a sound that may be an interruption, which a recogniser reports only after its own
pause, and the caller's voice in a noise that it took for speech. A new activation learns the noise anew, which takes
half a second. Knows audio and the call's state; does not know recognition.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.call.state import Call
from voicecall.speech.noise import NoiseFloor
from voicecall.speech.vad import BEFORE_BYTES, SoundEnd

__all__ = ["SoundJudge"]

_RECENT_BYTES: Final = 8_000  # a second: recognition reports a sound so late at most


class SoundJudge:
    """`follow` each committed state, `hear` the audio. `report` takes what the detectors find, while it matters."""

    def __init__(self, report: Callable[[SpeechStarted | SpeechStopped], None]) -> None:
        self._report = report
        self.noise = NoiseFloor()
        self._recent = b""
        self.is_unsure = False
        """A sound of the caller may be an interruption or a noise."""
        self._is_faint = False  # recognition has reported a sound that does not stand out, and not its end
        self._sound_end: SoundEnd | None = None  # while one of the two holds

    def follow(self, call: Call) -> None:
        speech = call.floor.speech
        self.noise.margin_db = call.policy.turns.noise_margin_db
        self.is_unsure = speech is not None and speech.unsure
        self._listen(faint=self._is_faint or (speech is not None and speech.faint))

    def hear(self, mulaw: bytes) -> None:
        self.noise.feed(mulaw)
        for change in self._sound_end.feed(mulaw) if self._sound_end is not None else ():
            if isinstance(change, SpeechStarted) and self._is_faint:
                self._is_faint = False
                self._report(replace(change, above_noise=True))
            else:
                self._report(change)
        self._recent = (self._recent + mulaw)[-_RECENT_BYTES:]

    def sound_began(self, event: SpeechStarted) -> SpeechStarted:
        """Recognition reports a sound: the same report, with whether the sound stands out from the noise."""
        above = self.noise.is_above(self._recent)
        self._is_faint = above is False
        self._listen(faint=self._is_faint)
        return replace(event, above_noise=above)

    def sound_ended(self) -> None:
        """Recognition reports its end, or its transcript."""
        self._is_faint = False
        self._listen(faint=False)

    def _listen(self, *, faint: bool) -> None:
        if not (self.is_unsure or self._is_faint):
            self._sound_end = None
        elif self._sound_end is None:
            self._sound_end = SoundEnd(self._recent[-BEFORE_BYTES:], self.noise, faint=faint)
