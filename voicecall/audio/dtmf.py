"""DTMF tones as mu-law: keys that are pressed in a media stream, where the carrier's command would tear it down.

Pure. ITU-T Q.23 and Q.24: two tones for each key, each at -10 dBm0 and without twist, 100 ms on, 100 ms off.
"""

from functools import cache
from typing import Final

import numpy as np

from voicecall.audio import mulaw

__all__ = ["GAP_MS", "TONE_MS", "keyed"]

TONE_MS: Final = 100
GAP_MS: Final = 100

_RATE: Final = 8000
_LOW: Final = (697, 770, 852, 941)
_HIGH: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_PAUSES_MS: Final = {"w": 500, "W": 1000, "p": 1000, "P": 1000, ",": 1000}
# A sine that just reaches the largest code is 3.17 dBm0 (ITU-T G.711).
_AMPLITUDE: Final = 32124 * 10 ** ((-10 - 3.17) / 20)


def keyed(keys: str) -> bytes:
    """The audio of these keys and pauses, at 8 kHz. Raises KeyError for another character."""
    return b"".join(_silence(_PAUSES_MS[key]) if key in _PAUSES_MS else _tone(key) + _silence(GAP_MS) for key in keys)


def _silence(ms: int) -> bytes:
    return bytes([mulaw.SILENCE]) * (ms * _RATE // 1000)


_FREQUENCIES: Final = {
    key: (low, high) for low, row in zip(_LOW, _KEYS, strict=True) for high, key in zip(_HIGH, row, strict=True)
}


@cache
def _tone(key: str) -> bytes:
    low, high = _FREQUENCIES[key]
    seconds = np.arange(TONE_MS * _RATE // 1000) / _RATE
    sum_ = np.sin(2 * np.pi * low * seconds) + np.sin(2 * np.pi * high * seconds)
    return mulaw.encode((sum_ * _AMPLITUDE).astype("<i2").tobytes())
