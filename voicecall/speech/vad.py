"""Voice activity detection, for speech recognition services that do not detect speech themselves, or late.

Gets a caller's mu-law; returns `SpeechStarted` and `SpeechStopped`, alternating. WebRTC's detector classifies each
20 ms frame, frames that do not stand out from the line's noise never count as speech, and several frames must agree.
Time is counted in frames; there is no clock here.
"""

from collections import deque
from typing import Final

import webrtcvad

from voicecall.audio import mulaw
from voicecall.audio.framing import FRAME_MS, Framer
from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.speech.noise import NoiseFloor, codes_up_to

__all__ = ["BEFORE_BYTES", "SoundEnd", "VoiceActivity"]

BEFORE_BYTES: Final = 3_200
"""The audio that `SoundEnd` needs from before a sound was reported: 400 ms, for a recogniser reports it late."""

_GAP_MS: Final = 120  # between two syllables of one sound

_RATE: Final = 8000
_WINDOW: Final = 6  # the number of newest frames that decide on a start,
_VOICED: Final = 4  # and how many of them must be voiced: a click is 1 or 2 frames, the detector's start-up on hiss 3
_LOUDEST_FLOOR: Final = 600.0  # RMS below which nothing is speech at threshold 1 (-35 dB of full scale)
_AFTER_MS: Final = 2000  # a new connection may hear the middle of an utterance first, and no silence before it
_WIDEST_MARGIN_DB: Final = 12.0  # above the noise, below which nothing is speech at threshold 1


class VoiceActivity:
    """Of one caller. `threshold` 0..1: how certain speech must be; `silence_ms`: the pause that ends an utterance.

    `noise`: the floor of the line, where another learns it; otherwise it is learnt here, with a margin by `threshold`.
    """

    def __init__(self, *, silence_ms: int = 800, threshold: float = 0.5, noise: NoiseFloor | None = None) -> None:
        self._detector = webrtcvad.Vad(min(3, int(threshold * 4)))
        self._floor = (threshold * _LOUDEST_FLOOR) ** 2
        self._soft = codes_up_to(threshold * _LOUDEST_FLOOR)
        self._noise = NoiseFloor(threshold * _WIDEST_MARGIN_DB, after_ms=_AFTER_MS) if noise is None else noise
        self._learns = noise is None
        self._pause_frames = max(1, silence_ms // FRAME_MS)
        self._framer = Framer()
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._quiet = 0
        self.is_speaking = False

    def feed(self, chunk: bytes) -> list[SpeechStarted | SpeechStopped]:
        """The changes found in this audio, of any length."""
        changes = [self._judge(frame) for frame in self._framer.feed(chunk)]
        return [change for change in changes if change]

    def _judge(self, frame: bytes) -> SpeechStarted | SpeechStopped | None:
        if self._learns:
            self._noise.feed(frame)
        voiced = self._is_loud(frame) and self._detector.is_speech(mulaw.decode(frame), _RATE)
        self._recent.append(voiced)
        self._quiet = 0 if voiced else self._quiet + 1
        if not self.is_speaking and self._recent.count(True) >= _VOICED:
            self.is_speaking = True
            return SpeechStarted()
        if self.is_speaking and self._quiet >= self._pause_frames:
            self.is_speaking = False
            self._recent.clear()
            return SpeechStopped(silent_ms=self._quiet * FRAME_MS)
        return None

    def _is_loud(self, frame: bytes) -> bool:
        # Most frames of a call hold no sample above the floor, so their mean is not above it either.
        return bool(frame.translate(None, self._soft)) and mulaw.power(frame) > max(self._floor, self._noise.power)


class SoundEnd:
    """Finds the end of a sound that a recogniser has reported, long before the recogniser does: it waits for its pause.

    `before`: the caller's newest audio, up to `BEFORE_BYTES`. A sound that this detector does not hear, as a very soft
    voice, has no end here. `faint`: what was reported is no louder than the noise, so that the first sound that is
    found is the next piece.
    """

    def __init__(self, before: bytes, noise: NoiseFloor | None = None, *, faint: bool = False) -> None:
        self._detector = VoiceActivity(silence_ms=_GAP_MS, noise=noise)
        self._before = before
        self._over = faint

    def feed(self, chunk: bytes) -> list[SpeechStarted | SpeechStopped]:
        """The changes found in this audio: the end of the sound, and the beginning of the next piece of it."""
        audio, self._before = self._before + chunk, b""
        found = self._detector.feed(audio)
        if not found or self._detector.is_speaking is not self._over:
            return []  # it began, which is known; or it ended and began again at once
        self._over = not self._over
        return [found[-1]]
