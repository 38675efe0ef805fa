"""The ports to the bus: clock, log, lease, commit, doorbell, call slots.

Filled by `voicecall/bus/` over Redis, and in tests by fakes that keep the same contracts.
"""

from dataclasses import dataclass
from typing import Protocol

from voicecall.call.events import Event, Takeover
from voicecall.call.ids import CallId, EffectId, Epoch, LegId, NodeId, Seq
from voicecall.call.state import Call, Phase, RequestResult

__all__ = [
    "CallLog",
    "CallSlots",
    "Clock",
    "Commit",
    "Committed",
    "Doorbell",
    "Ingest",
    "IngressLog",
    "Lease",
    "Leases",
    "Posted",
    "Record",
    "WorkerPresence",
]


class Clock(Protocol):
    """An estimate of the Redis server's time: `now()` in epoch seconds, calibrated, never decreasing."""

    def now(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Outcome of a post. For a replay `seqs` is empty, and `answer` is the one stored with the first delivery.

    `owner` is the node that holds the lease; None means that the call must be rung for. `nudged` is False when the
    owner's channel has no listener: its process is gone, so ring, and another node takes the lease. `over`: the call
    has ended; late events are kept, without a ring.
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
    """The right of `node` to be the activation of `call`, numbered by `epoch`."""

    call: CallId
    node: NodeId
    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """What a new owner starts from: the snapshot (None: none yet), the last seq in it, and the log after that.

    `owner_seen_at`: when the dead node that held the lease was last seen, in epoch seconds; None where no dead node
    held it, or where that is not known. `cause`: how the last owner lost the call; means nothing for a first owner.
    `refolds`: there is a snapshot that this build does not read, and `rest` is the whole log.
    """

    lease: Lease
    call: Call | None
    applied: Seq
    rest: tuple[Record, ...]
    owner_seen_at: float | None = None
    cause: Takeover = Takeover.LAPSED
    refolds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One step of one call: the posted events up to `applied`, then its `own` events, folded into `call`.

    `applied` does not count `own`, which the commit appends. The commit succeeds only if the log still ends at
    `applied`, so that the order of the log is the order of the decisions.
    """

    lease: Lease
    call: Call
    applied: Seq
    own: tuple[Event, ...]
    fresh: tuple[Record, ...]  # posted events folded in this step, for the feed
    resolved: tuple[RequestResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """`missing` is empty when the commit was written. Otherwise the log had grown and nothing was written.

    The caller then folds the `missing` records and decides its own events again.
    """

    applied: Seq
    missing: tuple[Record, ...] = ()


class CallLog(Protocol):
    """The log and the snapshot of each call."""

    async def post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        *,
        request_key: str | None = None,
        answer: bytes | None = None,
        stream_token: str | None = None,
        reconnects: bool = False,
    ) -> Posted:
        """Append the events, or detect a replay, in one atomic step; nudge the owner.

        `answer` is stored with `request_key` and returned to a replay. `stream_token` becomes valid with the post; with
        `reconnects` as the newest series (`consume_token`).
        Raises BusUnavailable: the post may or may not have happened, and the carrier must get no 2xx.
        """
        ...

    async def commit(self, commit: Commit) -> Committed:
        """Write one step, if the lease's epoch is still current. Raises Fenced, BusUnavailable."""
        ...

    async def read(self, call: CallId) -> Call | None:
        """The snapshot, or None when the call is unknown. Raises Undecodable for a snapshot of another build."""
        ...

    async def history(self, call: CallId, after: Seq | None = None) -> tuple[Record, ...]:
        """The log after `after` (None: all of it), without undecodable entries. Raises BusUnavailable."""
        ...


class IngressLog(Protocol):
    """The part of the call log that the ingress uses. Every method raises BusUnavailable."""

    async def post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        *,
        request_key: str | None = None,
        answer: bytes | None = None,
        stream_token: str | None = None,
        reconnects: bool = False,
    ) -> Posted:
        """As `CallLog.post`."""
        ...

    async def phase(self, call: CallId) -> Phase | None:
        """The phase at the newest commit; None before the first commit."""
        ...

    async def read(self, call: CallId) -> Call | None:
        """As `CallLog.read`."""
        ...

    async def find_call(self, carrier: str, leg: LegId) -> CallId | None:
        """The call a leg belongs to, for webhooks that carry no call id."""
        ...

    async def consume_token(self, call: CallId, token: str, number: int = 0, *, again: bool = False) -> bool:
        """True once for each stream token posted with this call, until it expires.

        `number` above 0: for the newest series, True once for each number above all used before, while the call lives.
        `again`: also for the number that was used last, because the carrier connects once more by itself.
        """
        ...


class CallSlots(Protocol):
    async def reserve(self, call: CallId, *, limit: int, inbound: bool = False) -> bool:
        """Take one of the system's `limit` slots for calls of this direction; True again for a call that has one.

        False for a call that is over, which takes none.
        """
        ...

    async def forget(self, call: CallId) -> None:
        """Give a slot back: the call will not begin."""
        ...


class WorkerPresence(Protocol):
    async def is_any_present(self) -> bool:
        """Whether a worker runs that takes new calls. Raises BusUnavailable."""
        ...


class Leases(Protocol):
    async def acquire(self, call: CallId, node: NodeId) -> Ingest | None:
        """Become the owner of the call under an epoch one higher; None while another node that is alive owns it."""
        ...

    async def renew(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        """Extend all leases of this node in one round trip. Returns the lost ones."""
        ...

    async def release(self, lease: Lease, *, handed_over: bool = False) -> None:
        """Give the lease up, so that another node can take the call at once.

        `handed_over`: in order; the next owner is informed by `Ingest.cause`.
        """
        ...

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        """Permission for a carrier command: True once per effect, and only for the current epoch."""
        ...


class Doorbell(Protocol):
    async def ring(self, call: CallId) -> None:
        """Ask some worker to become the owner of this call unless it has one. A ring may be lost or repeated."""
        ...
