"""Hears when somebody begins to speak and when they pause, for recognisers that cannot (carriers 7.1).

Fed with a caller's mu-law; gives `SpeechStarted` and `SpeechStopped`, alternating. WebRTC's detector judges each 20 ms
frame, a floor keeps line noise out, and several frames must agree. Time is counted in frames; there is no clock here.
"""

from collections import deque
from typing import Final

import webrtcvad

from voicecall.audio import mulaw
from voicecall.audio.framing import FRAME_MS, Framer
from voicecall.call.events import SpeechStarted, SpeechStopped

__all__ = ["VoiceActivity"]

_RATE: Final = 8000
_WINDOW: Final = 6  # frames that vote on a beginning,
_VOICED: Final = 4  # and how many of them must be voiced: a click is 1 or 2, the detector's own settling on hiss 3
_LOUDEST_FLOOR: Final = 600.0  # RMS below which nothing is speech at threshold 1 (-35 dB of full scale)


class VoiceActivity:
    """One caller's speech. `threshold` 0..1: how sure to be; `silence_ms`: how long a pause ends an utterance."""

    def __init__(self, *, silence_ms: int = 800, threshold: float = 0.5) -> None:
        self._detector = webrtcvad.Vad(min(3, int(threshold * 4)))
        self._floor = (threshold * _LOUDEST_FLOOR) ** 2
        self._pause_frames = max(1, silence_ms // FRAME_MS)
        self._framer = Framer()
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._quiet = 0
        self.is_speaking = False

    def feed(self, chunk: bytes) -> list[SpeechStarted | SpeechStopped]:
        """What became clear with this audio, of any length."""
        changes = [self._judge(frame) for frame in self._framer.feed(chunk)]
        return [change for change in changes if change]

    def _judge(self, frame: bytes) -> SpeechStarted | SpeechStopped | None:
        voiced = mulaw.power(frame) > self._floor and self._detector.is_speech(mulaw.decode(frame), _RATE)
        self._recent.append(voiced)
        self._quiet = 0 if voiced else self._quiet + 1
        if not self.is_speaking and self._recent.count(True) >= _VOICED:
            self.is_speaking = True
            return SpeechStarted()
        if self.is_speaking and self._quiet >= self._pause_frames:
            self.is_speaking = False
            self._recent.clear()
            return SpeechStopped()
        return None
