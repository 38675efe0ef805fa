"""Activates calls on this node and ends their activations: slots, early nudges, and what follows an activation's end.

Lives on the node's loop. `node` composes it and passes it nudges, audio and renewals; `jobs` asks it to activate
calls. Knows roles, not adapters.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

from actors.call_actor import CallActor
from actors.context import ActorContext
from actors.messages import ActivationEnd, HandOver, IngressDied, Wake
from voicecall.call.ids import CallId, NodeId
from voicecall.call.state import Call
from voicecall.errors import BusError
from voicecall.metrics import ACTIVATIONS, CALLS, LEASES_LOST
from voicecall.ports import CallerAudio, Lease, MediaItem, Record
from workers.activations import Activations

__all__ = ["ActivationResult", "Supervisor"]

_log = logging.getLogger(__name__)

_MAX_BROKEN: Final = 2  # after so many broken activations of a call on this node, other nodes take it (guarantee P17)

_CallTask = Callable[[CallId], Awaitable[None]]


class ActivationResult(StrEnum):
    """The result of a ring on this node."""

    HERE = "here"  # the call is active on this node
    ELSEWHERE = "elsewhere"  # another live node owns it, or it is over
    DECLINED = "declined"  # this node is full, stopping or cut off from its channel: another node is to try


class Supervisor:
    """`channel_is_up` says whether nudges reach this node.

    `after_call` is run for a call that is over, `forget` for an id under which no call began; `on_released` is called
    with every lease this node does not hold any more. `hand_over_timeout_s`: how long a call that is handed over may
    wait for a turn boundary.
    """

    def __init__(
        self,
        context: ActorContext,
        *,
        slots: int,
        channel_is_up: Callable[[], bool],
        after_call: _CallTask,
        forget: _CallTask,
        on_released: Callable[[Lease], None],
        hand_over_timeout_s: float,
    ) -> None:
        self._context = context
        self._slots = slots
        self._channel_is_up = channel_is_up
        self._after_call = after_call
        self._forget = forget
        self._on_released = on_released
        self._hand_over_timeout_s = hand_over_timeout_s
        self._activations = Activations()
        self._acquiring: dict[CallId, list[Record]] = {}  # with the records nudged meanwhile
        self._broken: Counter[CallId] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def calls(self) -> int:
        return len(self._activations)

    @property
    def unready(self) -> str:
        """Why this node cannot activate one more call now, in a word or two; "" when it can."""
        if self._stopping:
            return "stopping"
        if not self._channel_is_up():
            return "channel down"
        if not self._context.lease_guard.holds:
            return "leases not renewed"
        return "" if len(self._activations) + len(self._acquiring) < self._slots else "full"

    async def activate(self, call: CallId) -> ActivationResult:
        """Make sure that the call has an owner: this node, if there is no other. Raises BusUnavailable."""
        if call in self._activations or call in self._acquiring:
            # A ring for a call that is active here means that a nudge may have been lost.
            self._activations.send((call,), Wake())
            return ActivationResult.HERE
        if self.unready or self._broken[call] >= _MAX_BROKEN:
            return ActivationResult.DECLINED
        self._empty.clear()
        early = self._acquiring[call] = []
        try:
            ingest = await self._context.leases.acquire(call, self._context.node)
            if ingest is None:
                return ActivationResult.ELSEWHERE
            self._activations.add(
                CallActor.start_local(
                    self._context, ingest, self._on_end, hand_over_timeout_s=self._hand_over_timeout_s
                )
            )
        finally:
            del self._acquiring[call]
            self._note_empty()
        ACTIVATIONS.labels("first" if ingest.lease.epoch == 1 else "takeover").inc()
        if early:
            self._activations.nudge(call, tuple(early))
        if self._stopping:
            self._activations.send((call,), HandOver())
        return ActivationResult.HERE

    def on_nudge(self, call: CallId, records: tuple[Record, ...]) -> None:
        """New records of a call that this node probably owns."""
        if not self._activations.nudge(call, records) and call in self._acquiring:
            self._acquiring[call] += records

    def on_gap(self) -> None:
        """Nudges may have been lost: every call reads its log."""
        self._activations.send_all(Wake())

    def on_media(self, item: MediaItem) -> None:
        if isinstance(item, CallerAudio):
            self._activations.hear(item)

    def on_ingress_died(self, ingress: NodeId) -> None:
        self._activations.send_all(IngressDied(ingress))

    def on_renewed(self, sent_at: float, lost: tuple[Lease, ...]) -> None:
        """A renewal sent at `sent_at` (monotonic) succeeded except for `lost`: those are fenced first."""
        for lease in lost:
            if self._activations.fence(lease):
                LEASES_LOST.inc()
        self._context.lease_guard.renewed(sent_at)

    async def hand_over(self, *, within_s: float) -> int:
        """Activate nothing more, and release every call at its next turn boundary; the number of calls still here."""
        self._stopping = True
        self._activations.send_all(HandOver())
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
                await asyncio.gather(*self._tasks)
        except TimeoutError:
            _log.error("calls not handed over in time", extra={"calls": len(self._activations)})
        return len(self._activations)

    def _on_end(self, lease: Lease, reason: ActivationEnd, call: Call | None) -> None:
        self._activations.remove(lease)
        self._on_released(lease)
        self._note_empty()
        match reason:
            case ActivationEnd.OVER:
                if call is not None:
                    CALLS.labels(call.carrier, call.direction.value, call.phase.value).inc()
                self._run(self._after_call, lease.call)
            case ActivationEnd.UNKNOWN:
                self._run(self._forget, lease.call)
            case ActivationEnd.BROKEN:
                self._broken[lease.call] += 1
            case ActivationEnd.HANDED_OVER | ActivationEnd.FENCED:
                pass

    def _note_empty(self) -> None:
        if not len(self._activations) and not self._acquiring:
            self._empty.set()

    def _run(self, task: _CallTask, call: CallId) -> None:
        async def run() -> None:
            try:
                await task(call)
            except BusError as error:
                # Not retried: the sweepers find the call again when Redis is back.
                _log.warning("task after activation failed", extra={"call_id": call, "error": str(error)})

        running = asyncio.ensure_future(run())
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
