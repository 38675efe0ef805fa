"""Records `question.wav`, what the caller of `test_talk.py` says: `python -m tests.talk.record_question`.

The lower one of the two offline voices, so that it is not the agent's; 16 kHz, 16 bit.
"""

import wave
from pathlib import Path
from typing import Final

import numpy as np

from voicecall.speech_server.synthesis import RATE, VOICES, Synthesis

__all__ = ["QUESTION", "RECORDING"]

QUESTION: Final = "What are your opening hours?"
RECORDING: Final = Path(__file__).with_name("question.wav")
_WANTED: Final = RATE * 2 // 3


def _record() -> None:
    voice = Synthesis()
    spoken = b"".join(voice.speak(part, pitch=VOICES["low"]) for part in voice.phonemes(QUESTION))
    samples = np.frombuffer(spoken, "<i2")
    samples = samples[: len(samples) // 3 * 3]
    fewer = len(samples) * 2 // 3
    spectrum = np.fft.rfft(samples)[: fewer // 2 + 1]  # without what the lower rate cannot hold
    lower = np.fft.irfft(spectrum, fewer) * fewer / len(samples)
    with wave.open(str(RECORDING), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_WANTED)
        file.writeframes(np.rint(np.clip(lower, -32_767, 32_767)).astype("<i2").tobytes())


if __name__ == "__main__":
    _record()
