"""How samples without a header are stored, judged by the samples themselves, where a label is wrong or says too little.

Pure. Used by `reader`. Speech is smooth in the right byte order and rough in the wrong one; floats lie within -1 and 1.
Also distinguishes a text and compressed bytes from samples.
"""

import codecs
from typing import Final

import numpy as np
import numpy.typing as npt

from voicecall.audio.formats import AudioFormat, Encoding, mono

__all__ = ["SAMPLES", "is_noise", "is_prose", "stored"]

SAMPLES: Final = 400
"""So many samples are enough to judge: 50 ms of the slowest rate."""

_LOUD: Final = 8000.0**2  # compressed bytes read as samples are louder than this,
_LIKENESS: Final = 0.2  # and each is unlike the four after it
_ROUGHER: Final = 3.0  # than in the right byte order
_FLOAT_RANGE: Final = (1e-7, 1.5)
_TEXT_BYTES: Final = 256
_LEAST_TEXT: Final = 4  # bytes of a text that is the whole body
_WORDS: Final = 0.6  # share of letters, digits and blanks in a text
_LEAST_KINDS: Final = 4  # of characters: samples near zero repeat one or two
_SWAPPED: Final = {Encoding.PCM_S16: Encoding.PCM_S16_BE, Encoding.PCM_S16_BE: Encoding.PCM_S16}


def stored(head: bytes, labelled: AudioFormat) -> AudioFormat:
    """The format of these samples: as labelled, unless they are floats or of the other byte order."""
    encoding = labelled.encoding
    if encoding in (Encoding.PCM_S16, Encoding.PCM_S32) and _are_floats(head):
        encoding = Encoding.FLOAT_32
    elif encoding in _SWAPPED and _roughness(head, encoding) > _ROUGHER * _roughness(head, _SWAPPED[encoding]) > 0:
        encoding = _SWAPPED[encoding]
    return AudioFormat(encoding=encoding, rate=labelled.rate, channels=labelled.channels)


def is_prose(head: bytes, *, complete: bool) -> bool:
    """Whether these bytes are letters and words: a message, or audio in base64. `complete`: nothing follows."""
    if len(head) < (_LEAST_TEXT if complete else _TEXT_BYTES):
        return False
    encoding = "utf-16" if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head[:_TEXT_BYTES])
    except UnicodeDecodeError:
        return False
    if not all(char.isprintable() or char in "\t\r\n" for char in text) or len(set(text)) < _LEAST_KINDS:
        return False
    return sum(char.isalnum() or char.isspace() for char in text) >= _WORDS * len(text)


def is_noise(data: bytes, source: AudioFormat) -> bool:
    """Whether whole samples are as loud and as random as compressed bytes are: no speech begins so."""
    samples = np.frombuffer(mono(data, source), dtype="<i2").astype(np.float64)[:SAMPLES]
    if len(samples) < SAMPLES // 4:
        return False
    power = float((samples**2).mean())
    if power < _LOUD:
        return False
    likeness = [abs(float((samples[lag:] * samples[:-lag]).mean())) / power for lag in range(1, 5)]
    return max(likeness) < _LIKENESS


def _are_floats(head: bytes) -> bool:
    values = np.abs(np.nan_to_num(np.frombuffer(head[: len(head) & ~3], dtype="<f4")[:SAMPLES], nan=np.inf))
    fits = (values == 0) | ((values >= _FLOAT_RANGE[0]) & (values <= _FLOAT_RANGE[1]))
    return len(values) >= SAMPLES // 4 and bool(np.max(values) > 0) and bool(fits.all())


def _roughness(head: bytes, encoding: Encoding) -> float:
    """The mean step between neighbours, of both channels together."""
    kind = "<i2" if encoding is Encoding.PCM_S16 else ">i2"
    samples: npt.NDArray[np.float64] = np.frombuffer(head[: len(head) & ~1], dtype=kind).astype(np.float64)
    return float(np.abs(np.diff(samples)).mean()) if len(samples) > 1 else 0.0
