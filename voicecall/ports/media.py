"""Audio on the bus, between the door that holds a socket and the worker that holds the call.

Lossy and quick: many items of many calls in one message per destination (architecture 4). `bus/media.py` writes bytes.
"""

from dataclasses import dataclass
from typing import Protocol

from voicecall.call.ids import CallId, Epoch, NodeId, StreamId

__all__ = [
    "Attach",
    "CallerAudio",
    "Clear",
    "Detach",
    "Finish",
    "MediaBus",
    "MediaItem",
    "Play",
]


@dataclass(frozen=True, slots=True)
class Attach:
    """Worker to door, on activation and again every second: audio of this call goes to `node` now, under `epoch`.

    A door that learns of a newer epoch drops what the older one still had queued (reliability P1).
    """

    call: CallId
    epoch: Epoch
    node: NodeId
    stream: StreamId


@dataclass(frozen=True, slots=True)
class Play:
    """Worker to door: more audio of an utterance, mu-law 8 kHz."""

    call: CallId
    epoch: Epoch
    utterance: int
    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """Worker to door: the utterance has no more audio; tell us when it was heard."""

    call: CallId
    epoch: Epoch
    utterance: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Worker to door: silence now (barge-in). Every utterance still queued is reported as cut."""

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Detach:
    """Worker to door: close the socket, the call is over."""

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """Door to worker: what the caller said. `first` is the stream's frame number of the first of `mulaw`'s frames."""

    call: CallId
    stream: StreamId
    first: int
    mulaw: bytes


MediaItem = Attach | Play | Finish | Clear | Detach | CallerAudio


class MediaBus(Protocol):
    """Lossy and quick: many items of many calls in one message per destination (architecture 4)."""

    def send(self, to: NodeId, item: MediaItem) -> None:
        """Never blocks; the newest wins when the bound is reached."""
        ...
