"""Mu-law of any length as 20 ms frames, the unit in which a telephone line is fed.

Pure. Used wherever audio meets a carrier's or a detector's frame size. Knows bytes; no pacing, no clock.
"""

from typing import Final

from voicecall.audio.mulaw import SILENCE

__all__ = ["FRAME_BYTES", "FRAME_MS", "SILENT_FRAME", "Framer"]

FRAME_MS: Final = 20
FRAME_BYTES: Final = 160
SILENT_FRAME: Final = bytes([SILENCE]) * FRAME_BYTES


class Framer:
    """Cuts one stream into frames. Chunk boundaries leave no trace in them."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, mulaw: bytes) -> list[bytes]:
        """The frames that are whole now; the remainder waits for more."""
        data = self._rest + mulaw
        whole = len(data) - len(data) % FRAME_BYTES
        self._rest = data[whole:]
        return [data[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES)]

    def flush(self) -> list[bytes]:
        """The remainder, filled up with silence: one frame, or none. The framer is as new afterwards."""
        rest, self._rest = self._rest, b""
        return [rest.ljust(FRAME_BYTES, bytes([SILENCE]))] if rest else []
