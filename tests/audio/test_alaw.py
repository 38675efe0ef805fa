"""A-law: the table against the arithmetic of G.711."""

import struct

import pytest

from voicecall.audio import alaw, mulaw


def decode_by_the_book(code: int) -> int:
    """G.711 A-law, 13 bits shifted to 16, written as its definition."""
    bits = code ^ 0x55
    segment, step = (bits >> 4) & 7, bits & 0x0F
    size = (step << 4) + 8 if segment == 0 else ((step << 4) + 0x108) << (segment - 1)
    return size if bits & 0x80 else -size


def test_a10_every_code_becomes_the_nearest_mulaw_code() -> None:
    """The samples are those of G.711, and mu-law codes them as any other sample."""
    samples = struct.pack("<256h", *map(decode_by_the_book, range(256)))
    assert alaw.to_mulaw(bytes(range(256))) == mulaw.encode(samples)


@pytest.mark.parametrize(("code", "sample"), [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256)])
def test_known_values_of_the_standard(code: int, sample: int) -> None:
    """The two smallest and the two loudest."""
    assert decode_by_the_book(code) == sample
    (there,) = struct.unpack("<h", mulaw.decode(alaw.to_mulaw(bytes([code]))))
    assert abs(there - sample) <= max(8, abs(sample) // 30)
