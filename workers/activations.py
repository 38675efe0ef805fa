"""The calls that are active on this node: messages, nudges and audio find their activation here.

Lives on the node's loop, like the actors. Knows nothing of Redis; `supervisor` adds and removes.
"""

from collections.abc import Iterable

from actors.call_actor import CallActor
from actors.messages import Fence, Nudged
from voicecall.call.ids import CallId
from voicecall.ports import CallerAudio, Lease, Record

__all__ = ["Activations"]


class Activations:
    """Call id -> actor, on this node. A message to an actor that has just ended is dropped."""

    def __init__(self) -> None:
        self._actors: dict[CallId, CallActor] = {}

    def __len__(self) -> int:
        return len(self._actors)

    def __contains__(self, call: CallId) -> bool:
        return call in self._actors

    def add(self, actor: CallActor) -> None:
        self._actors[actor.lease.call] = actor

    def remove(self, lease: Lease) -> None:
        """Remove the activation of this lease; a newer one of the same call stays."""
        actor = self._actors.get(lease.call)
        if actor is not None and actor.lease == lease:
            del self._actors[lease.call]

    def fence(self, lease: Lease) -> bool:
        """Stop the activation of this lease at once; True if there is one."""
        actor = self._actors.get(lease.call)
        if actor is None or actor.lease != lease:
            return False
        _send(actor, Fence())
        return True

    def nudge(self, call: CallId, records: tuple[Record, ...]) -> bool:
        """Pass posted records on; True if the call is active here."""
        actor = self._actors.get(call)
        if actor is None:
            return False
        _send(actor, Nudged(records))
        return True

    def send(self, calls: Iterable[CallId], message: object) -> None:
        """Send a message to those of the calls that are active here."""
        for call in calls:
            if (actor := self._actors.get(call)) is not None:
                _send(actor, message)

    def send_all(self, message: object) -> None:
        self.send(tuple(self._actors), message)

    def hear(self, audio: CallerAudio) -> None:
        """Feed audio to the call's listener, without a message. Audio of a call that is not active here is dropped."""
        actor = self._actors.get(audio.call)
        if actor is not None:
            actor.hear(audio)


def _send(actor: CallActor, message: object) -> None:
    if actor.actor_ref.is_alive():
        actor.actor_ref.tell(message)
