"""The messages an activation takes, and the reasons for which it ends.

Sent by `workers/`, and by the activation to itself. Pure data.
"""

from dataclasses import dataclass
from enum import StrEnum

from voicecall.call.events import Event
from voicecall.call.ids import NodeId
from voicecall.ports import Record

__all__ = ["ActivationEnd", "Fence", "HandOver", "IngressDied", "Nudged", "Own", "Wake"]


@dataclass(frozen=True, slots=True)
class Nudged:
    """Records that were just posted, as far as the nudge carried them; some may be missing or repeated."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """An event of this activation, with its time set; it enters the log with the next commit."""

    event: Event


@dataclass(frozen=True, slots=True)
class Wake:
    """A nudge may have been lost: read the log."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """This node is stopping: release the call at the next turn boundary, or when the time for that is over."""


@dataclass(frozen=True, slots=True)
class IngressDied:
    """The process that held media sockets is dead, and with it the sockets."""

    ingress: NodeId


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease is lost, another activation owns the call: nothing more may be sent."""


class ActivationEnd(StrEnum):
    """Why an activation ended."""

    OVER = "over"  # the call is over
    HANDED_OVER = "handed-over"
    FENCED = "fenced"
    UNKNOWN = "unknown"  # the log holds no event that begins a call
    BROKEN = "broken"  # a defect in this process; the sweeper rings for the call again
