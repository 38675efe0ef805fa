"""Takes calls up on this node and lets them go: slots, mail that is early, and what follows an activation's end.

Lives on the node's loop. `node` composes it; `jobs` asks it to take calls. Knows roles, not adapters.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

from actors.call_actor import CallActor, Ending, HandOver, Wake
from actors.context import ActorContext
from actors.directory import Activation, Directory
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.errors import BusError
from voicecall.metrics import ACTIVATIONS, CALLS, LEASES_LOST
from voicecall.ports import CallerAudio, Lease, MediaItem, Record

__all__ = ["Supervisor", "Taken"]

_log = logging.getLogger(__name__)

_BREAKS: Final = 2  # a call that broke its activation here so often is left to others (reliability P17)

Errand = Callable[[CallId], Awaitable[None]]


class Taken(StrEnum):
    """What became of a ring."""

    HERE = "here"  # the call is awake on this node
    ELSEWHERE = "elsewhere"  # somebody alive owns it, or it is over
    NOT_NOW = "not-now"  # this node is full, leaving or deaf: let another try


class Supervisor:
    """`heard()`: whether this node's channel is up. `released`: told of every lease that is not held here any more.

    `ended` is run for a call that is over, `unknown` for one that never began.
    """

    def __init__(
        self,
        context: ActorContext,
        *,
        slots: int,
        heard: Callable[[], bool],
        ended: Errand,
        unknown: Errand,
        released: Callable[[Lease], None],
        patience_s: float,
    ) -> None:
        self._context = context
        self._slots = slots
        self._heard = heard
        self._ended = ended
        self._unknown = unknown
        self._released = released
        self._patience_s = patience_s
        self._directory = Directory()
        self._taking: dict[CallId, list[Record]] = {}
        self._broken: Counter[CallId] = Counter()
        self._errands: set[asyncio.Task[None]] = set()
        self._leaving = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def calls(self) -> int:
        return len(self._directory)

    @property
    def ready(self) -> bool:
        """This node can take one more call now."""
        free = len(self._directory) + len(self._taking) < self._slots
        return free and not self._leaving and self._heard() and self._context.lease_guard.alive

    async def take(self, call: CallId) -> Taken:
        """Make sure that somebody owns the call, this node if need be. Raises BusUnavailable."""
        if call in self._directory or call in self._taking:
            # Somebody rang although we are here: a nudge may have been lost.
            self._directory.tell((call,), Wake())
            return Taken.HERE
        if not self.ready or self._broken[call] >= _BREAKS:
            return Taken.NOT_NOW
        self._empty.clear()
        early = self._taking[call] = []
        try:
            ingest = await self._context.leases.acquire(call, self._context.node)
            if ingest is None:
                return Taken.ELSEWHERE
            ref = CallActor.start(self._context, ingest, self._on_end, patience_s=self._patience_s)
            self._directory.add(Activation(ingest.lease, ref))
        finally:
            del self._taking[call]
            self._note_empty()
        ACTIVATIONS.labels("first" if ingest.lease.epoch == 1 else "takeover").inc()
        # What was posted while we acquired may have been nudged before there was anybody to tell.
        if early:
            self._directory.nudge(call, tuple(early))
        if self._leaving:
            self._directory.tell((call,), HandOver())
        return Taken.HERE

    def mail(self, call: CallId, records: tuple[Record, ...]) -> None:
        """A nudge: new records of a call we probably own."""
        if not self._directory.nudge(call, records) and call in self._taking:
            self._taking[call] += records

    def read_everything(self) -> None:
        """Nudges may have been lost: every call re-reads its log."""
        self._directory.tell_all(Wake())

    def hear(self, item: MediaItem) -> None:
        if isinstance(item, CallerAudio):
            self._directory.hear(item)

    def renewed(self, sent: float, lost: tuple[Lease, ...]) -> None:
        """A renewal sent at `sent` succeeded, but for `lost`. Those stop first: the pulse lets the others go on."""
        for lease in lost:
            if self._directory.fence(lease):
                LEASES_LOST.inc()
        self._context.lease_guard.beat(sent)

    async def hand_over(self, *, within_s: float) -> int:
        """Take nothing more, and give every call to others at its next turn boundary; how many are left."""
        self._leaving = True
        self._directory.tell_all(HandOver())
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
                await asyncio.gather(*self._errands)
        except TimeoutError:
            _log.error("calls were not handed over in time", extra={"calls": len(self._directory)})
        return len(self._directory)

    def _on_end(self, lease: Lease, ending: Ending, call: Call | None) -> None:
        self._directory.remove(lease)
        self._released(lease)
        self._note_empty()
        match ending:
            case Ending.OVER:
                if call is not None:
                    CALLS.labels(call.carrier, call.direction.value, call.phase.value).inc()
                self._run(self._ended, lease.call)
            case Ending.UNKNOWN:
                self._run(self._unknown, lease.call)
            case Ending.BROKEN:
                self._broken[lease.call] += 1
            case Ending.HANDED_OVER | Ending.FENCED:
                pass

    def _note_empty(self) -> None:
        if not len(self._directory) and not self._taking:
            self._empty.set()

    def _run(self, errand: Errand, call: CallId) -> None:
        async def run() -> None:
            try:
                await errand(call)
            except BusError as error:
                # Neither a summary nor a tidy list is worth a retry storm while Redis is away.
                _log.warning("errand failed", extra={"call_id": call, "error": str(error)})

        task = asyncio.ensure_future(run())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
