"""Speech synthesis with hibari: text in short pieces, each piece as 24 kHz PCM.

The model's time and memory grow with the square of a piece's length, so pieces are cut here, whatever the text is.
Knows no requests and no threads; one object may be used by several threads.
"""

import re
import threading
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from voicecall.speech.sentences import Sentences

__all__ = ["RATE", "VOICES", "Synthesis", "pieces_of"]

RATE: Final = 24_000

_NORMAL: Final = 1.0
_LOW: Final = 0.82  # of the pitch, and of the resonances
VOICES: Final[Mapping[str, float]] = {
    "heart": _NORMAL,
    "low": _LOW,
    **dict.fromkeys(("alloy", "coral", "fable", "marin", "nova", "sage", "shimmer"), _NORMAL),
    **dict.fromkeys(("ash", "ballad", "cedar", "echo", "onyx", "verse"), _LOW),
}
"""Names of voices, and their pitch: the one voice, `heart`, or the same lower, `low`. OpenAI's names mean either."""

_AUDIBLE: Final = 0.01
_LEAD: Final = RATE // 50  # samples of silence that stay before a sentence,
_TRAIL: Final = RATE // 5  # and behind it
_LONGEST_PIECE: Final = 160  # characters
_LONGEST_WORD: Final = 30
_LONGEST_PHONEMES: Final = 300
_WORD: Final = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")
_CUTS: Final = (re.compile(r"(?<=[,;:—])\s+"), re.compile(r"\s+"))  # at clauses, and where these are long, at words


def pieces_of(text: str) -> list[str]:
    """The text in pieces that are synthesised at once: sentences, and where these are long, clauses or words."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    plain = _WORD.sub(lambda found: f"{found[0]} ", plain)
    sentences = Sentences("en")
    return [piece for sentence in (*sentences.feed(plain), *sentences.flush()) for piece in _cut(sentence)]


def _cut(sentence: str) -> list[str]:
    parts = [sentence]
    for separator in _CUTS:
        if any(len(part) > _LONGEST_PIECE for part in parts):
            parts = _joined([short for part in parts for short in separator.split(part)], _LONGEST_PIECE)
    return parts


def _joined(parts: list[str], longest: int) -> list[str]:
    """The parts, as many together as are not longer than that."""
    joined: list[str] = []
    for part in filter(None, parts):
        if joined and len(joined[-1]) + 1 + len(part) <= longest:
            joined[-1] += f" {part}"
        else:
            joined.append(part)
    return joined


class Synthesis:
    """The model, loaded once."""

    def __init__(self) -> None:
        from hibari import Hibari

        self._model: Any = Hibari(threads=1)
        self._reading = threading.Lock()  # its dictionaries fill while they are used
        self.speak(self.phonemes("Ready.")[0])

    def phonemes(self, piece: str) -> list[str]:
        """How a piece is pronounced, in strings that are spoken at once; none for a text without English words."""
        with self._reading:
            read: list[str] = self._model.phonemize(piece)
        return [
            part for each in read for part in _joined(each.split(" "), _LONGEST_PHONEMES) if part.strip(" .,!?;:—…")
        ]

    def speak(self, phonemes: str, *, pitch: float = _NORMAL, speed: float = 1.0) -> bytes:
        """16-bit little-endian mono PCM at `RATE`; the same for the same phonemes."""
        audio = _trimmed(self._model.from_phonemes(phonemes, speed=speed / pitch, seed=0))
        if pitch != _NORMAL:  # played slower, which lowers it; it was spoken faster for that
            audio = np.interp(np.arange(0, len(audio), pitch), np.arange(len(audio)), audio)
        pcm: bytes = np.rint(np.clip(audio, -1.0, 1.0) * 32_767).astype("<i2").tobytes()
        return pcm


def _trimmed(audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Without the silence that the model puts around a sentence, for which a caller would wait."""
    loud = np.flatnonzero(np.abs(audio) > _AUDIBLE)
    if not len(loud):
        return audio
    return audio[max(0, loud[0] - _LEAD) : loud[-1] + _TRAIL]
