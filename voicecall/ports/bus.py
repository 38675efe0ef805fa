"""The roles of the bus: clock, log, lease, commit, doorbell.

Filled by `voicecall/bus/` over Redis, and by fakes with the same promises.
"""

from dataclasses import dataclass
from typing import Protocol

from voicecall.call.events import Event
from voicecall.call.ids import CallId, EffectId, Epoch, NodeId, Seq
from voicecall.call.state import Call, RequestResult

__all__ = [
    "CallLog",
    "Clock",
    "Commit",
    "Committed",
    "Doorbell",
    "Ingest",
    "Lease",
    "Leases",
    "Posted",
    "Record",
]


class Clock(Protocol):
    """The Redis server's time, as well as this process can tell: `now()` in epoch seconds, calibrated, monotonic."""

    def now(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Outcome of a post. `seqs` is empty for a replay, whose first stored answer is `answer`.

    `owner` is the node that holds the lease; None means: ring. `nudged` is False when the owner's channel has no
    listener: its process is gone, ring and steal. `over`: the call has ended; late news is kept, and nobody rings.
    """

    seqs: tuple[Seq, ...]
    replay: bool = False
    answer: bytes | None = None
    owner: NodeId | None = None
    nudged: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of a call's log."""

    seq: Seq
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    call: CallId
    node: NodeId
    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """What a new owner starts from: the snapshot (None: none yet), the seq it reaches to, and the rest of the log.

    `owner_seen_at`: when the dead node that held the lease was last seen, in epoch seconds; None where no dead node
    held it, or where that is not known.
    """

    lease: Lease
    call: Call | None
    applied: Seq
    rest: tuple[Record, ...]
    owner_seen_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One step of one call: posted events up to `applied`, then `own` ones, folded into `call`.

    `applied` does not count `own`: the commit appends those. It goes in only if the log still ends at `applied`, so
    that the order of the log is the order of the decisions.
    """

    lease: Lease
    call: Call
    applied: Seq
    own: tuple[Event, ...]
    fresh: tuple[Record, ...]  # posted events folded in this step, for the feed
    resolved: tuple[RequestResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """`refused` is empty when all went in. A commit whose log has grown meanwhile is refused with the missing records.

    Then nothing was written: fold `missing` first, and decide `own` again.
    """

    applied: Seq
    missing: tuple[Record, ...] = ()


class CallLog(Protocol):
    """Log and snapshot of calls."""

    async def post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        *,
        request_key: str | None = None,
        answer: bytes | None = None,
        stream_token: str | None = None,
    ) -> Posted:
        """Append events, or refuse them as a replay, in one atomic step; nudge the owner.

        `answer` is stored with `request_key` and given back to a replay. `stream_token` becomes valid with the post.
        Raises BusUnavailable; then nothing may be assumed, and the carrier gets no 2xx.
        """
        ...

    async def commit(self, commit: Commit) -> Committed:
        """Fenced write of a step. Raises Fenced or BusUnavailable."""
        ...

    async def read(self, call: CallId) -> Call | None:
        """The snapshot, or None when no such call is known."""
        ...

    async def history(self, call: CallId, after: Seq | None = None) -> tuple[Record, ...]: ...


class Leases(Protocol):
    async def acquire(self, call: CallId, node: NodeId) -> Ingest | None:
        """Become the owner, or None while somebody alive is. Epoch grows by one."""
        ...

    async def renew(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        """Extend all leases of this node in one round trip; gives back those that are lost."""
        ...

    async def release(self, lease: Lease) -> None: ...

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        """The gate before a carrier command: True once per effect, and only for the current epoch."""
        ...


class Doorbell(Protocol):
    async def ring(self, call: CallId) -> None:
        """Somebody make sure that this call has an owner. Safe to lose and to repeat."""
        ...
