"""What waits to be folded: posted records in the order of the log, and the activation's own events as they happened.

Pure. Nudges may repeat records, skip them or arrive out of order; a gap is never folded over, it is read from the log.
Knows sequence numbers, not the meaning of events.
"""

from voicecall.call.events import Event
from voicecall.call.ids import Seq
from voicecall.ports import Record

__all__ = ["EventBuffer"]


class EventBuffer:
    """`applied`: the seq up to which the committed state reaches. `rest`: the records the log holds after it."""

    def __init__(self, applied: Seq, rest: tuple[Record, ...] = ()) -> None:
        self.applied = applied
        self._complete_to = applied  # every record up to this seq is applied or waits here
        self._posted: dict[Seq, Record] = {}
        self._own: list[Event] = []
        self._must_read_log = False
        self.add_from_log(rest)

    def __len__(self) -> int:
        """Events that wait, posted and own."""
        return len(self._posted) + len(self._own)

    @property
    def has_work(self) -> bool:
        """The next step has something to fold, or the log to read."""
        return bool(self._own or self._posted or self._must_read_log)

    @property
    def needs_log(self) -> bool:
        """A record is missing, or may be: read the log from `applied` on before the next step."""
        return self._must_read_log or any(seq > self._complete_to for seq in self._posted)

    def add_nudged(self, records: tuple[Record, ...]) -> None:
        """Add the records of a nudge. Those already applied are dropped; those after a gap wait for the log."""
        for record in records:
            if record.seq > self.applied:
                self._posted[record.seq] = record
        self._extend()

    def add_from_log(self, records: tuple[Record, ...]) -> None:
        """Add what the log holds after `applied`: it has no gaps."""
        self._must_read_log = False
        for record in records:
            if record.seq > self.applied:
                self._posted[record.seq] = record
                self._complete_to = max(self._complete_to, record.seq)

    def add_own(self, event: Event) -> None:
        """Add an event of this activation, with its time set."""
        self._own.append(event)

    def require_log(self) -> None:
        """A nudge may have been lost: the log must be read before the next step."""
        self._must_read_log = True

    def next_batch(self) -> tuple[tuple[Record, ...], tuple[Event, ...]]:
        """The records and own events the next step folds. They stay here until `remove_applied`."""
        posted = sorted((r for r in self._posted.values() if r.seq <= self._complete_to), key=lambda record: record.seq)
        return tuple(posted), tuple(self._own)

    def remove_applied(self, applied: Seq, own: int) -> None:
        """The step is committed: the state now reaches to `applied` and contains the first `own` own events."""
        self.applied = applied
        self._complete_to = max(self._complete_to, applied)
        self._posted = {seq: record for seq, record in self._posted.items() if seq > applied}
        del self._own[:own]
        self._extend()

    def _extend(self) -> None:
        """Records that follow without a gap need no reading of the log."""
        while Seq(self._complete_to + 1) in self._posted:
            self._complete_to = Seq(self._complete_to + 1)
