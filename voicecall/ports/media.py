"""The port to the media bus: audio and its commands between the ingress with the socket and the worker with the call.

Lossy and fast: many items of many calls travel in one message per destination. `bus/media/` is the adapter.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from voicecall.call.events import Failover
from voicecall.call.ids import CallId, Epoch, NodeId, StreamId

__all__ = [
    "NO_OWNER",
    "Attach",
    "CallerAudio",
    "Clear",
    "Detach",
    "Finish",
    "FirstAudio",
    "IngressMedia",
    "Listen",
    "MediaBus",
    "MediaItem",
    "Pause",
    "Play",
    "RecordStream",
    "Resume",
    "Say",
]

NO_OWNER: Final = NodeId("")


@dataclass(frozen=True, slots=True)
class Attach:
    """Worker to ingress, on activation and again every second: caller audio of this call goes to `node`, under `epoch`.

    An ingress that sees a newer epoch drops the audio that the older one had queued (guarantee P1). `NO_OWNER`: the
    owner hands the call over; the next one gets the audio from a moment before this on, and no utterance begins before.
    """

    call: CallId
    epoch: Epoch
    node: NodeId
    stream: StreamId


@dataclass(frozen=True, slots=True)
class Play:
    """Worker to ingress: more audio of an utterance, mu-law 8 kHz."""

    call: CallId
    epoch: Epoch
    utterance: int
    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Say:
    """Worker to ingress: let the carrier say this, where its socket carries text.

    `interruptible`: the caller may interrupt it. Only for a call whose policy says `relay`.
    """

    call: CallId
    epoch: Epoch
    utterance: int
    text: str
    interruptible: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """Worker to ingress: the utterance has no more audio; report when it was played."""

    call: CallId
    epoch: Epoch
    utterance: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Worker to ingress: stop playing (barge-in). Every utterance still queued is reported as cut."""

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Pause:
    """Worker to ingress, and repeated while it lasts: stop playing, and keep what was not heard.

    Only for an ingress whose `StreamOpened` says that it `pauses`: an earlier build takes no bundle with this item.
    """

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class FirstAudio:
    """Worker to ingress, before the first `Play` of an utterance: the voice took so many ms to its first audio.

    `failover`: it is another voice than the first one. Like `Pause` only for an ingress that `pauses`.
    """

    call: CallId
    epoch: Epoch
    utterance: int
    synthesis_ms: int
    failover: Failover | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Worker to ingress: go on after a pause."""

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Detach:
    """Worker to ingress: close the socket, the call is over."""

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """Ingress to worker: audio of the caller. `first` is the number in the stream of the first frame of `mulaw`."""

    call: CallId
    stream: StreamId
    first: int
    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Listen:
    """Gateway to ingress, and repeated while it lasts: copy the audio of this call to the channel of `listener`.

    It ends after `lease_ms` without another. An ingress of an earlier build takes no bundle with this item, so it is
    sent in one of its own.
    """

    call: CallId
    listener: str
    lease_ms: int


@dataclass(frozen=True, slots=True)
class RecordStream:
    """Worker to ingress, and repeated while the call lasts: record this stream, or do not.

    Only for an ingress whose `StreamOpened` says that it `records`. It goes on while no worker repeats it.
    """

    call: CallId
    epoch: Epoch
    on: bool


MediaItem = (
    Attach | FirstAudio | Play | Say | Finish | Clear | Pause | Resume | Detach | CallerAudio | Listen | RecordStream
)


class MediaBus(Protocol):
    """Sends items to a node; any of them may be lost."""

    def send(self, to: NodeId, item: MediaItem) -> None:
        """Never blocks. When too much waits for this node, the oldest audio is dropped."""
        ...


class IngressMedia(MediaBus, Protocol):
    """The media bus as an ingress uses it."""

    def send_audio(self, to: NodeId, call: CallId, stream: StreamId, first: int, mulaw: bytes) -> None:
        """Send a `CallerAudio` of these fields: the same, fifty times a second for every call."""
        ...
