"""What a phone's microphone takes up beside its owner's voice: the noise of the room, and the loudspeaker's echo. Pure.

Both are linear sums of mu-law audio, 20 ms at a time. Knows audio; does not know who speaks.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from simulators.tones import mulaw_from_pcm16, pcm16_from_mulaw

__all__ = ["Room"]

_FRAME_MS = 20
_SAMPLES = 160
_PAUSE_FRAMES = 25  # after so much silence the loudspeaker begins anew


class Room:
    """Silent at first. `hiss` and `echo` hold from when they are set."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)
        self._amplitude = 0
        self._gain = 0.0
        self._echo_frames = 0
        self._delayed: deque[bytes | None] = deque()
        self._sounded = self._quiet = 0  # frames of the loudspeaker since it began, and since it fell silent

    def hiss(self, amplitude: int) -> None:
        """White noise of that many steps of s16le; 0 ends it. Speech has 8,000."""
        self._amplitude = amplitude

    def echo(self, *, after_ms: int, for_ms: int, gain: float) -> None:
        """Return what is heard, so much later and weaker, until an echo canceller has learnt the line: `for_ms`."""
        self._gain, self._echo_frames = gain, for_ms // _FRAME_MS
        self._delayed = deque([None] * (after_ms // _FRAME_MS))

    def mix(self, said: bytes | None, heard: bytes | None) -> bytes | None:
        """What the microphone takes up of 20 ms in which this was said and that was heard; None is silence."""
        if not self._amplitude and not self._gain:
            return said
        sounds = [_linear(frame, 1.0) for frame in (said,) if frame is not None]
        if (echo := self._echo_of(heard)) is not None:
            sounds.append(_linear(echo, self._gain))
        if self._amplitude:
            sounds.append(self._random.uniform(-self._amplitude, self._amplitude, _SAMPLES))
        if not sounds:
            return None
        return mulaw_from_pcm16(np.clip(sum(sounds), -32_768, 32_767).astype("<i2").tobytes())

    def _echo_of(self, heard: bytes | None) -> bytes | None:
        if not self._gain:
            return None
        silent = heard is None or not heard.strip(b"\xff\x7f")
        self._quiet = self._quiet + 1 if silent else 0
        if self._quiet >= _PAUSE_FRAMES:
            self._sounded = 0
        elif not silent or self._sounded:
            self._sounded += 1
        self._delayed.append(heard if 0 < self._sounded <= self._echo_frames else None)
        return self._delayed.popleft()


def _linear(mulaw: bytes, gain: float) -> npt.NDArray[np.float64]:
    return np.frombuffer(pcm16_from_mulaw(mulaw), "<i2").astype(np.float64) * gain
