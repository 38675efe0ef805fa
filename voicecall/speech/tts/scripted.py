"""A voice without a service, for benchmarks, demonstrations and tests.

Any text becomes, without delay, a hum of about the length of the spoken text; equal texts give equal bytes.
"""

import math
import struct
from collections.abc import AsyncGenerator
from typing import Final

from voicecall.audio import mulaw
from voicecall.audio.framing import FRAME_BYTES, FRAME_MS

__all__ = ["Voice"]

_PITCH_HZ: Final = 200  # a whole number of periods in 20 ms, so that frames join without a click


class Voice:
    """TextToSpeech. `chunk_ms`: the length of each chunk; the last may be shorter."""

    def __init__(self, *, ms_per_char: int = 60, chunk_ms: int = 100) -> None:
        self._ms_per_char = ms_per_char
        self._chunk_frames = max(1, chunk_ms // FRAME_MS)

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """At least one frame for any text; no delay between chunks."""
        frames = max(1, len(text) * self._ms_per_char // FRAME_MS)
        while frames > 0:
            yield _HUM * min(frames, self._chunk_frames)
            frames -= self._chunk_frames

    async def close(self) -> None:
        """Nothing is open."""


def _hum() -> bytes:
    samples = (int(8000 * math.sin(2 * math.pi * _PITCH_HZ * at / 8000)) for at in range(FRAME_BYTES))
    return mulaw.encode(struct.pack(f"<{FRAME_BYTES}h", *samples))


_HUM: Final = _hum()
