"""The noise floor of one caller's line: how loud it is while they do not speak.

Pure. Learnt from the audio alone: of every fourth frame of the last four seconds, the tenth part that is quietest is
taken for noise. People pause that often even in the middle of a sentence, so speech does not raise the floor; a noise
that does not stop raises it within four seconds, and half a second of quiet lowers it. A new owner of a call learns it
anew. Used by `vad` and by the listener of a call.
"""

from collections import deque
from itertools import islice
from typing import Final

from voicecall.audio import mulaw as codec
from voicecall.audio.framing import FRAME_BYTES, FRAME_MS

__all__ = ["NoiseFloor", "codes_up_to"]

_EVERY_MS: Final = 4 * FRAME_MS  # one frame of so much audio is looked at
_EVERY: Final = 4 * FRAME_BYTES
_WINDOW: Final = 48  # such frames: 3.8 s
_QUIETEST: Final = 10  # one in so many is taken for noise
_QUIET: Final = 300.0  # a frame without a louder sample is quiet (-41 dB of full scale), whatever the line
_LOUD_FRAMES: Final = 3  # a sound stands out with so many frames: a click has fewer


class NoiseFloor:
    """Of one caller. `margin_db`: by how much speech is louder than noise. `after_ms`: of audio, then it is known."""

    def __init__(self, margin_db: float = 6.0, *, after_ms: int = 500) -> None:
        self.margin_db = margin_db
        self._least = after_ms // _EVERY_MS
        self._powers: deque[float] = deque(maxlen=_WINDOW)
        self._unseen = 0
        self.power = 0.0
        """The mean square of samples above which a frame is no noise; 0 on a quiet line, or before it is known."""

    def feed(self, mulaw: bytes) -> None:
        """Learn from audio of any length that follows the last."""
        self._unseen += len(mulaw)
        if self._unseen < _EVERY:
            return
        self._unseen = 0
        frame = mulaw[-FRAME_BYTES:]
        # Quiet is the usual case, and found without arithmetic.
        self._powers.append(codec.power(frame) if frame.translate(None, _QUIET_CODES) else 0.0)
        if len(self._powers) >= self._least:
            self.power = 10 ** (self.margin_db / 10) * sorted(self._powers)[len(self._powers) // _QUIETEST]

    def is_above(self, mulaw: bytes) -> bool | None:
        """Whether a sound in this audio stands out from the noise. None: the line is quiet, or not known yet."""
        if not self.power:
            return None
        frames = (mulaw[at : at + FRAME_BYTES] for at in range(0, len(mulaw), FRAME_BYTES))
        loud = (frame for frame in frames if codec.power(frame) > self.power)
        return sum(1 for _ in islice(loud, _LOUD_FRAMES)) == _LOUD_FRAMES


def codes_up_to(amplitude: float) -> bytes:
    """The mu-law codes of samples that are not louder."""
    return bytes(code for code in range(256) if codec.power(bytes([code])) <= amplitude**2)


_QUIET_CODES: Final = codes_up_to(_QUIET)
