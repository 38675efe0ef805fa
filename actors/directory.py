"""Which calls are awake on this node, and the way to each: nudges and the caller's audio.

Lives on the node's loop, like the actors. Knows nothing of leases ending or of Redis; `workers/node.py` keeps it true.
"""

from collections.abc import Iterable

import pykka

from actors.call_actor import CallActor, Fence, Nudged
from voicecall.call.ids import CallId
from voicecall.ports import CallerAudio, Lease, Record

__all__ = ["Activation", "Directory"]


class Activation:
    """One call that is awake here."""

    __slots__ = ("lease", "ref")

    def __init__(self, lease: Lease, ref: pykka.ActorRef[CallActor]) -> None:
        self.lease = lease
        self.ref = ref

    def tell(self, message: object) -> None:
        """Pass it on, unless the actor has just ended: then its lease is released, and the sweeper looks after it."""
        if self.ref.is_alive():
            self.ref.tell(message)


class Directory:
    """Call id -> activation, on this node."""

    def __init__(self) -> None:
        self._awake: dict[CallId, Activation] = {}

    def __len__(self) -> int:
        return len(self._awake)

    def __contains__(self, call: CallId) -> bool:
        return call in self._awake

    def add(self, activation: Activation) -> None:
        self._awake[activation.lease.call] = activation

    def remove(self, lease: Lease) -> None:
        """Forget this activation; a newer one of the same call stays."""
        standing = self._awake.get(lease.call)
        if standing is not None and standing.lease == lease:
            del self._awake[lease.call]

    def fence(self, lease: Lease) -> bool:
        """Stop this activation at once, if it is the one that is here; True if it was."""
        standing = self._awake.get(lease.call)
        if standing is None or standing.lease != lease:
            return False
        standing.tell(Fence())
        return True

    def nudge(self, call: CallId, records: tuple[Record, ...]) -> bool:
        """True if the call is awake here."""
        return self._tell(call, Nudged(records))

    def tell(self, calls: Iterable[CallId], message: object) -> None:
        for call in calls:
            self._tell(call, message)

    def tell_all(self, message: object) -> None:
        self.tell(tuple(self._awake), message)

    def hear(self, audio: CallerAudio) -> None:
        """Audio for a call that is not here is dropped: its door will learn the new owner within a second."""
        activation = self._awake.get(audio.call)
        if activation is not None:
            activation.tell(audio)

    def _tell(self, call: CallId, message: object) -> bool:
        activation = self._awake.get(call)
        if activation is None:
            return False
        activation.tell(message)
        return True
