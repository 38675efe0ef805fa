"""What is heard on the line, both ways: the media stream, the caller's speech and keys, and what of ours was played.

Pure. Part of `events`, from where everybody takes them. Facts about sound, never sound.
"""

from dataclasses import dataclass

from voicecall.call.event import Event
from voicecall.call.ids import LegId, NodeId, StreamId

__all__ = [
    "Heard",
    "HearingBack",
    "HearingFailed",
    "HearingLost",
    "Keyed",
    "PlaybackBegan",
    "PlaybackDone",
    "SpeechFailed",
    "SpeechStarted",
    "SpeechStopped",
    "StreamClosed",
    "StreamOpened",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(Event):
    """An authenticated media socket carries this call now. `door` is the ingress that holds it."""

    stream: StreamId
    ingress: NodeId
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed(Event):
    stream: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    """The caller began to make sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(Event):
    """The caller fell silent; words should follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(Event):
    """The caller's words. `turn_token` is the one carried by the carrier's callback, None for a media stream.

    `leg`: on which the carrier heard them, by its webhook's word; None for a media stream, which is bound to its call.
    The same in `Keyed` and `PlaybackDone`.
    """

    text: str
    final: bool = True
    confidence: float | None = None
    turn_token: str | None = None
    leg: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingFailed(Event):
    """Speech recognition is gone for good on this activation; the caller talks to a wall."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingLost(Event):
    """Speech recognition broke off a moment ago and has not come back yet; it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingBack(Event):
    """It came back; what the caller said last follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed(Event):
    digits: str
    leg: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackBegan(Event):
    """The first frame of an utterance went to the carrier's socket."""

    utterance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackDone(Event):
    """An utterance is over at the caller's ear: played to its end, or cut.

    `heard_ms` counts what was played, `total_ms` what there was to play (None when synthesis had not finished).
    `utterance` 0: whatever the carrier's own voice was saying.
    """

    utterance: int
    heard_ms: int
    total_ms: int | None
    complete: bool
    leg: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFailed(Event):
    """An utterance could not be synthesised or delivered."""

    utterance: int
    reason: str
