"""Slots for what may take long and is not proved yet: unfinished bodies, media sockets before their start frame,
sockets of API clients before their token.

Each sender has a few, and there is a bound in all. At a limit the holder that came first, so the slowest of its sender,
loses its slot to the new one: a stranger behind the carrier's proxy cannot keep the carrier out (attacks 27, 63 and
76). An honest peer sends the rest within milliseconds, a carrier often on many connections from one address at once, so
a holder is left alone for `grace_s`. Ingress and gateway use them. Knows senders; its users know what they send.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["GRACE_S", "Slot", "Slots"]

GRACE_S: Final = 0.5


class Slot:
    """One holder. `leave` gives the slot back, once or more often; `evict` is called when it is lost."""

    __slots__ = ("_slots", "evict", "sender", "since")

    def __init__(self, slots: "Slots", sender: str, evict: Callable[[], None], since: float) -> None:
        self._slots = slots
        self.sender = sender
        self.evict = evict
        self.since = since

    def leave(self) -> None:
        self._slots.remove(self)


class Slots:
    """`per_sender` for one sender after `grace_s`; `total` of all, without grace."""

    def __init__(self, *, per_sender: int, total: int, grace_s: float = GRACE_S) -> None:
        self._per_sender = per_sender
        self._total = total
        self._grace_s = grace_s
        self._held: dict[str, dict[Slot, None]] = {}  # of each sender, in order of arrival
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, sender: str, evict: Callable[[], None]) -> Slot:
        """A slot, always; it may cost another holder its own."""
        loop = asyncio.get_running_loop()
        if self._count >= self._total:
            busiest = max(self._held, key=lambda held: len(self._held[held]))
            self._evict(next(iter(self._held[busiest])))
        slot = Slot(self, sender, evict, loop.time())
        self._held.setdefault(sender, {})[slot] = None
        self._count += 1
        self._trim(sender)
        return slot

    @contextmanager
    def held(self, sender: str, evict: Callable[[], None]) -> Iterator[None]:
        """Hold a slot until the block is left."""
        slot = self.enter(sender, evict)
        try:
            yield
        finally:
            slot.leave()

    def remove(self, slot: Slot) -> None:
        held = self._held.get(slot.sender, {})
        if slot not in held:
            return
        del held[slot]
        self._count -= 1
        if not held:
            del self._held[slot.sender]

    def _evict(self, slot: Slot) -> None:
        self.remove(slot)
        slot.evict()

    def _trim(self, sender: str) -> None:
        """Evict what is beyond the sender's limit and older than the grace; check again when the next one is."""
        loop = asyncio.get_running_loop()
        while len(held := self._held.get(sender, {})) > self._per_sender:
            oldest = next(iter(held))
            due = oldest.since + self._grace_s
            if due > loop.time():
                loop.call_at(due, self._trim, sender)
                return
            self._evict(oldest)
