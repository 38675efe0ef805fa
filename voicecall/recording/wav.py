"""Segments to one WAV file: stereo, the caller left and the agent right, 16-bit PCM at 8 kHz.

Writes to a file that it is given, segment by segment: an hour of a call is never in memory. Samples that no segment
brings are silence, so the file is as long as the time it covers. Where two segments overlap, the later one counts.
"""

import struct
from collections.abc import Iterable
from typing import BinaryIO, Final

import numpy as np

from voicecall.audio import mulaw
from voicecall.recording.segments import RATE, Piece, Segment

__all__ = ["HEADER_BYTES", "assemble"]

HEADER_BYTES: Final = 44
_FRAME_BYTES: Final = 4  # two channels of two bytes
_LONGEST: Final = (2**32 - 1 - HEADER_BYTES) // _FRAME_BYTES  # samples that the header can name, 37 h


def assemble(file: BinaryIO, segments: Iterable[Segment], begin: int, end: int) -> int:
    """Write the recording of `begin` to `end` into an empty file that can be read back. Returns its size in bytes."""
    samples = min(max(0, end - begin), _LONGEST)
    size = HEADER_BYTES + samples * _FRAME_BYTES
    file.write(_header(samples * _FRAME_BYTES))
    file.truncate(size)
    for segment in segments:
        for piece in segment.pieces:
            _lay(file, piece, begin, samples)
    return size


def _lay(file: BinaryIO, piece: Piece, begin: int, samples: int) -> None:
    first = piece.at - begin
    audio = piece.mulaw[max(0, -first) : max(0, samples - first)]
    if not audio:
        return
    offset = HEADER_BYTES + max(0, first) * _FRAME_BYTES
    file.seek(offset)
    both = np.frombuffer(bytearray(file.read(len(audio) * _FRAME_BYTES)), dtype="<i2")
    both[piece.side :: 2] = np.frombuffer(mulaw.decode(audio), dtype="<i2")
    file.seek(offset)
    file.write(both.tobytes())


def _header(size: int) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, RATE, RATE * _FRAME_BYTES, _FRAME_BYTES, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)
