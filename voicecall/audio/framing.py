"""Cuts mu-law audio of any length into 20 ms frames, the unit of a telephone stream.

Pure. Used wherever audio must fit a carrier's or a detector's frame size. Knows no pacing and no clock.
"""

from typing import Final

from voicecall.audio.mulaw import SILENCE

__all__ = ["FRAME_BYTES", "FRAME_MS", "SILENT_FRAME", "Framer"]

FRAME_MS: Final = 20
FRAME_BYTES: Final = 160
SILENT_FRAME: Final = bytes([SILENCE]) * FRAME_BYTES


class Framer:
    """Cuts one stream into frames. The result does not depend on where the chunks were cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, mulaw: bytes) -> list[bytes]:
        """The complete frames; the remainder waits for more."""
        data = self._rest + mulaw
        whole = len(data) - len(data) % FRAME_BYTES
        self._rest = data[whole:]
        return [data[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES)]

    def flush(self) -> list[bytes]:
        """The remainder, padded with silence: one frame, or none. Resets the framer."""
        rest, self._rest = self._rest, b""
        return [rest.ljust(FRAME_BYTES, bytes([SILENCE]))] if rest else []
