"""What every activation on this node shares: the roles it meets, and who it is.

Put together by `workers/node.py` (and by tests, with real in-memory twins). Knows no adapter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from actors.lease_guard import LeaseGuard
from voicecall.call.effects import Effect
from voicecall.call.events import Event
from voicecall.call.ids import CallId, NodeId, Seq
from voicecall.call.state import Call
from voicecall.ports import CallLog, Clock, Doorbell, Leases, MediaBus, Ports

__all__ = ["ActorContext", "DeadLetters", "Decide", "Report"]

Decide = Callable[[Call | None, Event, CallId], tuple[Call | None, tuple[Effect, ...]]]
"""The pure machine: `voicecall.call.decide.decide`."""

Report = Callable[[Event], None]
"""How a lane tells its call what became of an effect; whoever takes it stamps the time."""


class DeadLetters(Protocol):
    """Where mail goes that nobody could take (reliability P17)."""

    async def set_aside(self, call: CallId, event: Event, *, seq: Seq | None, reason: str) -> None:
        """Keep the event for people to look at. `seq` is None for an event that never reached the log."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorContext:
    node: NodeId
    decide: Decide
    ports: Ports
    log: CallLog
    leases: Leases
    clock: Clock
    media: MediaBus
    doorbell: Doorbell
    dead_letters: DeadLetters
    lease_guard: LeaseGuard
    apology: bytes  # mu-law 8 kHz: what the caller hears when no voice can be had
