"""A call as a stereo WAV file: left what the callee heard, right what the callee said. Pure."""

import io
import wave

import numpy as np

from simulators.phone.line import Line
from simulators.tones import pcm16_from_mulaw

__all__ = ["stereo_wav"]


def stereo_wav(line: Line) -> bytes:
    """Both directions from answer until now, 8 kHz s16le."""
    left = np.frombuffer(pcm16_from_mulaw(line.heard.mulaw(line.ticks)), "<i2")
    right = np.frombuffer(pcm16_from_mulaw(line.said.mulaw(line.ticks)), "<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.column_stack([left, right]).astype("<i2").tobytes())
    return out.getvalue()
