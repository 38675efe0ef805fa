"""What all activations of a node share: the ports they call, and the identity of the node.

Composed by `workers/node.py`, and by tests with in-memory implementations of the ports. Knows no adapter.
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

__all__ = ["ActorContext", "DeadLetterStore", "Decide", "Report"]

Decide = Callable[[Call | None, Event, CallId], tuple[Call | None, tuple[Effect, ...]]]
"""The pure state machine: `voicecall.call.decide.decide`."""

Report = Callable[[Event], None]
"""Adds an event to the call from inside its activation; the receiver sets the event's time."""


class DeadLetterStore(Protocol):
    """Keeps events that `decide` could not process, for operators to inspect."""

    async def set_aside_event(self, call: CallId, event: Event, *, seq: Seq | None, reason: str) -> None:
        """Keep the event. `seq` is None for an event that is not in the log. Raises BusUnavailable."""
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
    dead_letters: DeadLetterStore
    lease_guard: LeaseGuard
    apology: Callable[[str], bytes]  # by language, mu-law 8 kHz: played to the caller when TTS fails
