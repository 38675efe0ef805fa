"""Speech made of tones: text that can be spoken, sent over a telephone line, and decoded without loss.

Used by the simulators (which speak and recognise tones), tests and benchmarks. Knows audio only: no carriers, no
sockets, no clocks, and nothing of the system under test (it has its own mu-law tables).

The code: START, then each UTF-8 byte as a high and a low nibble, then END; every symbol is a 20 ms sine.

    200 Hz START | 300..1800 Hz high nibble | 1900..3400 Hz low nibble | 3500 Hz END

High and low tones alternate, so each symbol boundary is a change of pitch: a reader needs no clock and no alignment,
and a lost 20 ms frame costs a character (read as U+FFFD), not the rest of the sentence. All pitches are multiples
of 50 Hz: each symbol begins and ends at phase zero, so symbols join without clicks and sentences are table look-ups.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
import numpy.typing as npt

__all__ = [
    "END_MS",
    "START_MS",
    "Char",
    "Decoder",
    "Ended",
    "Event",
    "Started",
    "decode_all",
    "encode_mulaw",
    "encode_pcm16",
    "ms_per_char",
    "mulaw_from_pcm16",
    "pcm16_from_mulaw",
]

ms_per_char = 40
"""How long one ASCII character lasts, in milliseconds; a character of n UTF-8 bytes takes n times as long."""
START_MS = 20
END_MS = 20

_SYMBOL_MS = 20
_START, _HIGH, _LOW, _END = 0, 1, 17, 33
_PITCHES_HZ = 200 + 100 * np.arange(34)
_AMPLITUDE = 8000
_RATE = 8000
_LOST = "\ufffd"
_SILENT_FRAME = b"\xff" * 160


def encode_pcm16(text: str, rate: int = 8000) -> bytes:
    """`text` as s16le mono at `rate` Hz (a multiple of 50, above 7000). Lone surrogates are spoken as '?'."""
    samples: npt.NDArray[np.int16] = _pcm16_symbols(rate)[_symbols(text)]
    return samples.tobytes()


def encode_mulaw(text: str) -> bytes:
    """`text` as 8 kHz G.711 mu-law: START_MS + ms_per_char for each byte of UTF-8 + END_MS."""
    samples: npt.NDArray[np.uint8] = _mulaw_symbols()[_symbols(text)]
    return samples.tobytes()


def pcm16_from_mulaw(mulaw: bytes) -> bytes:
    """G.711 mu-law to s16le, sample for sample."""
    samples: npt.NDArray[np.float32] = _LINEAR[np.frombuffer(mulaw, np.uint8)]
    return samples.astype("<i2").tobytes()


def mulaw_from_pcm16(pcm16: bytes) -> bytes:
    """s16le to G.711 mu-law, sample for sample."""
    linear = np.frombuffer(pcm16, "<i2").astype(np.int32)
    magnitude = np.minimum(np.abs(linear), 32635) + 132
    exponent = (np.frexp(magnitude.astype(np.float32))[1] - 8).astype(np.int32)
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(linear < 0, 0x80, 0)
    codes: npt.NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return codes.tobytes()


def decode_all(mulaw: bytes, *, silence_ms: int = 500) -> list["Ended"]:
    """Every utterance of one recording. One without its END is reported as far as it was decoded."""
    decoder = Decoder(silence_ms=silence_ms)
    return [event for event in chain(decoder.feed(mulaw), decoder.close()) if isinstance(event, Ended)]


@dataclass(frozen=True, slots=True)
class Started:
    """An utterance began. Times count the audio received, in milliseconds, exact to 5 ms."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Char:
    """One character was decoded to its end (U+FFFD: something was lost here)."""

    text: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An utterance ended.

    `complete`: from START to END with nothing lost in between. `closed`: its END was decoded, so its speaker
    finished, even if something was lost before.
    """

    text: str
    complete: bool
    start_ms: int
    end_ms: int
    closed: bool


Event = Started | Char | Ended


class Decoder:
    """Reads one stream of mu-law audio, fed in pieces of any size and alignment.

    An utterance ends at its END tone, at the next START, or after `silence_ms` of audio without tones.
    """

    def __init__(self, *, silence_ms: int = 500) -> None:
        self._gap = silence_ms * _RATE // 1000
        self._tail = b""
        self._at = 0  # the sample at which `_tail` begins
        self._candidate = -1
        self._seen = 0
        self._since = 0
        self._taken = False
        self._loud_until = 0
        self._utterance: _Utterance | None = None

    @property
    def now_ms(self) -> int:
        """The amount of audio received, in milliseconds."""
        return (self._at + len(self._tail)) * 1000 // _RATE

    def feed(self, mulaw: bytes) -> list[Event]:
        """The events in the next piece of audio."""
        if _is_silent(mulaw) and _is_silent(self._tail):
            # Silence is the common case of a phone call: nothing is decoded, only the position advances.
            self._at += len(self._tail) + len(mulaw)
            self._tail = b""
            return self._after_silence(self._at) if self._utterance is not None else []
        heard = self._tail + mulaw
        windows = _pitches(heard)
        events: list[Event] = []
        for number, (symbol, pure) in enumerate(windows):
            if symbol >= 0:
                events += self._hear(symbol, self._at + number * _HOP, pure=pure)
            elif self._utterance is not None:
                events += self._after_silence(self._at + number * _HOP)
        self._tail = heard[len(windows) * _HOP :]
        self._at += len(windows) * _HOP
        return events

    def close(self) -> list[Event]:
        """End the stream; an open utterance ends, incomplete."""
        return list(self._finish(self._loud_until))

    def _hear(self, symbol: int, at: int, *, pure: bool) -> list[Event]:
        """Count windows of one pitch: a pure one or two in a row are a symbol, eight two with their partner lost."""
        if symbol != self._candidate:
            self._candidate, self._seen, self._since, self._taken = symbol, 0, at, False
        self._seen += 1
        self._loud_until = at + _WINDOW
        if not self._taken and (pure or self._seen == _ENOUGH):
            self._taken = True
            return list(self._accept(symbol, self._since))
        if self._seen == _TOO_LONG and self._utterance is not None and symbol not in (_START, _END):
            self._seen = _TOO_LONG // 2
            return list(self._utterance.lose(at))
        return []

    def _accept(self, symbol: int, at: int) -> Iterator[Event]:
        if symbol == _START:
            yield from self._finish(at)
        elif symbol == _END:
            yield from self._finish(at + END_MS * _RATE // 1000, closed=True)
            return
        if self._utterance is None:
            self._utterance = _Utterance(at, clipped=symbol != _START)
            yield Started(_ms(at))
        if symbol != _START:
            yield from self._utterance.take(symbol, at)

    def _after_silence(self, now: int) -> list[Event]:
        if now - self._loud_until < self._gap:
            return []
        self._candidate = -1
        return list(self._finish(self._loud_until))

    def _finish(self, until: int, *, closed: bool = False) -> Iterator[Event]:
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            yield from utterance.end(until, closed=closed)


class _Utterance:
    """Assembles the symbols of one sentence into characters."""

    def __init__(self, at: int, *, clipped: bool) -> None:
        self._start = at
        self._whole = not clipped
        self._high: int | None = None
        self._last = -1
        self._text: list[str] = []
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, symbol: int, at: int) -> Iterator[Event]:
        """Take the next nibble. The same nibble again is the same tone, resumed after a gap or a glitch."""
        if symbol == self._last:
            return
        self._last = symbol
        if symbol < _LOW:
            if self._high is not None:
                yield from self.lose(at)
            self._high = symbol - _HIGH
        elif self._high is None:
            yield from self.lose(at)
        else:
            yield from self._add(self._utf8.decode(bytes([self._high << 4 | symbol - _LOW])), at)
            self._high = None

    def lose(self, at: int) -> Iterator[Event]:
        self._whole = False
        self._utf8.reset()
        yield from self._add(_LOST, at)

    def end(self, until: int, *, closed: bool) -> Iterator[Event]:
        if closed:
            yield from self._add(self._utf8.decode(b"", final=True), until)
        whole = closed and self._whole and self._high is None
        yield Ended("".join(self._text), whole, _ms(self._start), _ms(until), closed=closed)

    def _add(self, text: str, at: int) -> Iterator[Event]:
        if text:
            self._text.append(text)
            yield Char(text, _ms(at))


# --- reading pitches: 10 ms windows every 5 ms, so each symbol fills at least two of them wherever it begins

_WINDOW = 80
_HOP = 40
_ENOUGH = 2
_TOO_LONG = 8
_FLOOR = float(_WINDOW * 150**2)  # windows quieter than an RMS of 150 are silence
# A pure tone puts all of a window's power into one pitch, two halves a quarter each, noise a fortieth.
_DOMINANT = 0.5
_PURE = 0.85

_angles = 2 * np.pi / _RATE * np.outer(np.arange(_WINDOW), _PITCHES_HZ)
_BASIS: npt.NDArray[np.float32] = np.concatenate([np.cos(_angles), np.sin(_angles)], axis=1).astype(np.float32)


def _pitches(mulaw: bytes) -> list[tuple[int, bool]]:
    """The symbol of each window that fits, and whether it is pure; -1 where it is silent or has no clear pitch."""
    count = (len(mulaw) - _WINDOW) // _HOP + 1
    if count <= 0:
        return []
    samples = _LINEAR[np.frombuffer(mulaw, np.uint8)]
    windows = np.lib.stride_tricks.as_strided(samples, (count, _WINDOW), (_HOP * 4, 4), writeable=False)
    energy = np.einsum("ij,ij->i", windows, windows)
    spectrum = windows @ _BASIS
    spectrum *= spectrum
    power = spectrum[:, :34] + spectrum[:, 34:]
    best = power.argmax(axis=1)
    # |X|^2 * 2/N is the energy a sine of that pitch would have in this window.
    tone = power[np.arange(count), best] * (2 / _WINDOW)
    clear = (tone > _DOMINANT * energy) & (energy > _FLOOR)
    return list(zip(np.where(clear, best, -1).tolist(), (tone > _PURE * energy).tolist(), strict=True))


def _is_silent(mulaw: bytes) -> bool:
    return mulaw == _SILENT_FRAME or not mulaw.translate(None, b"\xff\x7f")


def _ms(samples: int) -> int:
    return samples * 1000 // _RATE


# --- tables


def _symbols(text: str) -> npt.NDArray[np.intp]:
    utf8 = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    symbols = np.empty(2 * len(utf8) + 2, np.intp)
    symbols[0], symbols[-1] = _START, _END
    symbols[1:-1:2] = (utf8 >> 4) + _HIGH
    symbols[2::2] = (utf8 & 15) + _LOW
    return symbols


@lru_cache
def _pcm16_symbols(rate: int) -> npt.NDArray[np.int16]:
    if rate % 50 or rate <= 7000:
        raise ValueError(f"tones need a rate that is a multiple of 50 Hz and above 7000 Hz, not {rate}")
    seconds = np.arange(rate * _SYMBOL_MS // 1000) / rate
    waves = _AMPLITUDE * np.sin(2 * np.pi * np.outer(_PITCHES_HZ, seconds))
    table: npt.NDArray[np.int16] = np.rint(waves).astype("<i2")
    return table


@lru_cache
def _mulaw_symbols() -> npt.NDArray[np.uint8]:
    table = _pcm16_symbols(_RATE)
    return np.frombuffer(mulaw_from_pcm16(table.tobytes()), np.uint8).reshape(table.shape)


def _linear_of_mulaw() -> npt.NDArray[np.float32]:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 15) << 3) + 132) << (code >> 4 & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float32)


_LINEAR = _linear_of_mulaw()
