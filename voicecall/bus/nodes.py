"""The channel of a node, on which every post nudges the owner of the call.

A nudge carries the events, so that the owner need not read the log. It is a hint and may be lost: on a gap in the seqs,
or in the subscription (`on_gap`), the owner reads the log.
"""

from collections.abc import Callable

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of
from voicecall.bus.entries import read_nudge
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId, NodeId
from voicecall.ports import Record

__all__ = ["NodeChannel"]


class NodeChannel:
    """`on_records(call, records)`: new events, in order, of a call that this node probably owns.

    `on_gap()`: nudges may have been missed. Both are called on the event loop and must not block. `junk` counts
    messages that are no nudge.
    """

    def __init__(
        self,
        redis: Redis,
        node: NodeId,
        *,
        on_records: Callable[[CallId, tuple[Record, ...]], None],
        on_gap: Callable[[], None],
        silence_s: float = 1.0,
    ) -> None:
        self._on_records = on_records
        self._channel = Subscription(
            redis,
            keys_of(redis).node(node),
            on_message=self._deliver,
            on_gap=on_gap,
            silence_s=silence_s,
        )
        self.junk = 0

    @property
    def is_up(self) -> bool:
        return self._channel.is_up

    async def run(self) -> None:
        """Receive nudges until cancelled; survives restarts of Redis."""
        await self._channel.run()

    async def ready(self) -> None:
        """Return when nudges arrive. Acquire no lease before: other nodes would take this one for dead."""
        await self._channel.ready()

    async def down(self) -> None:
        """Return when the subscription is lost; it is being restored."""
        await self._channel.down()

    def _deliver(self, data: bytes) -> None:
        nudge = read_nudge(data)
        if nudge is None:
            self.junk += 1
            return
        call, entries = nudge
        # Undecodable entries stay in the log, where the next commit or activation sets them aside.
        if entries.records:
            self._on_records(call, entries.records)
