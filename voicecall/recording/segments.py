"""Segments: a few seconds of a call's audio, both sides, each piece with its place in time.

Pure. A segment covers a window of time: within it the ingress recorded, also where there was nothing to hear. So what
no window covers was not recorded, whichever process died. Places are samples, 8,000 a second, since the epoch.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgpack

from voicecall.call.ids import CallId, StreamId

__all__ = [
    "AGENT",
    "CALLER",
    "RATE",
    "RECORDING",
    "Piece",
    "Segment",
    "Window",
    "end_mark",
    "facts_name",
    "folder",
    "gaps",
    "pack",
    "recording_name",
    "segment_folder",
    "segment_name",
    "unpack",
    "window_of",
]

RATE: Final = 8_000
CALLER: Final = 0
AGENT: Final = 1
RECORDING: Final = "recording.wav"

_VERSION: Final = 1
_NAME: Final = re.compile(r"(?P<begin>[0-9]{1,16})-(?P<end>[0-9]{1,16})-[0-9a-z]{1,32}\.seg\Z")

Window = tuple[int, int]
"""The first sample, and the one after the last."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Mu-law audio of one side, from sample `at` on."""

    side: int
    at: int
    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    begin: int
    end: int
    pieces: tuple[Piece, ...]


def pack(segment: Segment) -> bytes:
    pieces = [(piece.side, piece.at, piece.mulaw) for piece in segment.pieces]
    packed: bytes = msgpack.packb((_VERSION, segment.begin, segment.end, pieces), use_bin_type=True)
    return packed


def unpack(data: bytes) -> Segment | None:
    """The segment; None for bytes that are none: torn, of another version, or something else."""
    try:
        version, begin, end, pieces = msgpack.unpackb(data, raw=False, use_list=False)
        if version != _VERSION:
            return None
        return Segment(begin, end, tuple(Piece(side, at, bytes(mulaw)) for side, at, mulaw in pieces))
    except (ValueError, TypeError, msgpack.exceptions.UnpackException):
        return None


# --- names in the store


def folder(call: CallId) -> str:
    return f"{call}/"


def segment_folder(call: CallId) -> str:
    return f"{call}/segments/"


def segment_name(call: CallId, segment: Segment, writer: str) -> str:
    """`writer`: of its own for each stream that is recorded, so that two never write one name."""
    return f"{segment_folder(call)}{segment.begin}-{segment.end}-{writer}.seg"


def end_mark(call: CallId, stream: StreamId) -> str:
    """The name of the mark that no segment of this stream follows."""
    return f"{segment_folder(call)}{hashlib.sha256(stream.encode()).hexdigest()[:24]}.end"


def recording_name(call: CallId) -> str:
    return f"{call}/{RECORDING}"


def facts_name(call: CallId) -> str:
    return f"{call}/recording.json"


def window_of(name: str) -> Window | None:
    """The window of a segment, by its name; None for another name."""
    found = _NAME.match(name.rpartition("/")[2])
    return None if found is None else (int(found["begin"]), int(found["end"]))


def gaps(windows: Iterable[Window], begin: int, end: int) -> list[Window]:
    """What of `begin` to `end` no window covers, in order."""
    missing: list[Window] = []
    at = begin
    for first, last in sorted(windows):
        if first > at and at < end:
            missing.append((at, min(first, end)))
        at = max(at, last)
    if at < end:
        missing.append((at, end))
    return missing
