"""Finds DTMF tones in mu-law audio, as a phone menu does: by Goertzel's filter on blocks of 20 ms.

Written from ITU-T Q.23 and Q.24: a key counts when its two tones stand out for 40 ms, each at -25 dBm0 or more, with
at most 6 dB between them, and a pause of 40 ms lies before the next. Knows no carrier.
"""

import numpy as np

from simulators.tones import pcm16_from_mulaw

__all__ = ["Key", "keys_in"]

Key = tuple[str, int, int]
"""A key, when it began, and for how long, in ms."""

_BLOCK = 160
_BLOCK_MS = 20
_LOW = (697, 770, 852, 941)
_HIGH = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")
_LEAST = 32124 * 10 ** ((-25 - 3.17) / 20)
_TWIST = 2.0  # 6 dB
_SHARE = 0.6  # of the block's energy in the two tones
_LEAST_BLOCKS = 2

_SECONDS = np.arange(_BLOCK) / 8000
_WAVES = np.exp(-2j * np.pi * np.outer((*_LOW, *_HIGH), _SECONDS)) * 2 / _BLOCK


def keys_in(mulaw: bytes) -> list[Key]:
    """The keys that were pressed, in order."""
    samples = np.frombuffer(pcm16_from_mulaw(mulaw), dtype="<i2").astype(np.float64)
    blocks = [_key(samples[at : at + _BLOCK]) for at in range(0, len(samples) - _BLOCK + 1, _BLOCK)]
    found: list[Key] = []
    began, current = 0, ""
    for place, key in enumerate([*blocks, ""]):
        if key == current:
            continue
        if current and place - began >= _LEAST_BLOCKS:
            found.append((current, began * _BLOCK_MS, (place - began) * _BLOCK_MS))
        began, current = place, key
    return found


def _key(block: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> str:
    """The key that sounds in this block, or ""."""
    amplitudes = np.abs(_WAVES @ block)
    low, high = int(np.argmax(amplitudes[:4])), int(np.argmax(amplitudes[4:]))
    one, other = amplitudes[low], amplitudes[4 + high]
    energy = float(np.mean(block**2))
    if min(one, other) < _LEAST or max(one, other) > _TWIST * min(one, other):
        return ""
    return _KEYS[low][high] if (one**2 + other**2) / 2 > _SHARE * energy else ""
