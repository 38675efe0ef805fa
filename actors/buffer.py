"""What waits to be folded: posted records in the order of the log, and our own events in the order they happened.

Pure. Nudges may repeat, skip or overtake; a gap is never folded over, it is read from the log. Knows sequence
numbers, not what happened.
"""

from voicecall.call.events import Event
from voicecall.call.ids import Seq
from voicecall.ports import Record

__all__ = ["EventBuffer"]


class EventBuffer:
    """`applied` is how far the committed state reaches; `rest` is what the log holds behind it."""

    def __init__(self, applied: Seq, rest: tuple[Record, ...] = ()) -> None:
        self.applied = applied
        self._reach = applied  # everything the log holds up to here is folded or waits here
        self._posted: dict[Seq, Record] = {}
        self._own: list[Event] = []
        self._doubtful = False
        self.reread(rest)

    @property
    def waiting(self) -> bool:
        return bool(self._own or self._posted or self._doubtful)

    @property
    def incomplete(self) -> bool:
        """Something is missing, or may be: the log has to be read before the next step."""
        return self._doubtful or any(seq > self._reach for seq in self._posted)

    def nudged(self, records: tuple[Record, ...]) -> None:
        """Records by way of a hint: what is known already is dropped, what leaves a gap waits for the log."""
        for record in records:
            if record.seq > self.applied:
                self._posted[record.seq] = record
        while Seq(self._reach + 1) in self._posted:
            self._reach = Seq(self._reach + 1)

    def reread(self, records: tuple[Record, ...]) -> None:
        """Records by way of the log itself, from `applied` on: without gaps by definition."""
        self._doubtful = False
        for record in records:
            if record.seq > self.applied:
                self._posted[record.seq] = record
                self._reach = max(self._reach, record.seq)

    def keep(self, event: Event) -> None:
        """An event of our own, stamped already."""
        self._own.append(event)

    def doubt(self) -> None:
        """A hint may have been lost: nothing is complete until the log was read."""
        self._doubtful = True

    def waiting_now(self) -> tuple[tuple[Record, ...], tuple[Event, ...]]:
        """What the next step folds. It stays here until `settled`."""
        posted = sorted((r for r in self._posted.values() if r.seq <= self._reach), key=lambda record: record.seq)
        return tuple(posted), tuple(self._own)

    def settled(self, applied: Seq, own: int) -> None:
        """The step with the first `own` own events is in: the log reaches to `applied` now."""
        self.applied = applied
        self._reach = max(self._reach, applied)
        self._posted = {seq: record for seq, record in self._posted.items() if seq > applied}
        del self._own[:own]
