"""Mu-law: the tables against the arithmetic of G.711."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.audio import mulaw


def encode_by_the_book(sample: int) -> int:
    """G.711 with bias 132 and clip 32635, written as the search for the segment that it is."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    biased = min(magnitude, 32635) + 132
    segment = next(s for s in range(8) if biased < 256 << s)
    return ~(sign | segment << 4 | (biased >> (segment + 3)) & 0x0F) & 0xFF


def test_every_sample_is_coded_as_g711_says() -> None:
    """All 65,536 of them."""
    samples = range(-32768, 32768)
    assert mulaw.encode(struct.pack("<65536h", *samples)) == bytes(map(encode_by_the_book, samples))


def test_every_code_survives_a_round_trip_except_negative_zero() -> None:
    """Relaying audio through PCM loses nothing."""
    codes = bytes(range(256))
    assert mulaw.encode(mulaw.decode(codes)) == codes.replace(b"\x7f", b"\xff")


def test_known_values_of_the_standard() -> None:
    """The loudest codes and the two zeros."""
    assert struct.unpack("<4h", mulaw.decode(b"\x00\x80\xff\x7f")) == (-32124, 32124, 0, 0)


@settings(deadline=None)  # a property, not a time
@given(st.integers(-32635, 32635))
def test_the_error_of_a_sample_is_at_most_half_its_step(sample: int) -> None:
    """Logarithmic quantisation: about 38 dB of signal to noise whatever the loudness."""
    (heard,) = struct.unpack("<h", mulaw.decode(mulaw.encode(struct.pack("<h", sample))))
    segment = (abs(sample) + 132).bit_length() - 8
    assert abs(heard - sample) <= 4 << segment


def test_half_a_sample_is_refused() -> None:
    """A lost byte must raise, for it would shift every sample after it."""
    with pytest.raises(ValueError, match="buffer size"):
        mulaw.encode(b"\x00\x00\x00")


def test_no_samples_give_no_samples() -> None:
    """Empty chunks occur at the end of streams."""
    assert mulaw.encode(b"") == mulaw.decode(b"") == b""


def test_power_distinguishes_loud_from_quiet() -> None:
    """The floor below which nothing is speech is set in these units."""
    assert mulaw.power(b"\xff" * 160) == mulaw.power(b"") == 0
    assert mulaw.power(mulaw.encode(struct.pack("<2h", 1000, -1000))) == pytest.approx(1e6, rel=0.05)
