"""How a node hears of news for its calls: its own channel, on which every post nudges the owner.

A nudge carries the events, so that the owner need not read the log; but it is a hint. Whoever sees a hole in the seqs,
or is told of a gap, reads the log.
"""

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.entries import read_nudge
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId, NodeId
from voicecall.ports import Record

__all__ = ["NodeChannel"]


class NodeChannel:
    """`on_mail(call, records)`: new events, in order, of a call we probably own. `on_gap()`: any may have been missed.

    Both are called on the event loop and must not block.
    """

    def __init__(
        self,
        redis: Redis,
        node: NodeId,
        *,
        on_mail: Callable[[CallId, tuple[Record, ...]], None],
        on_gap: Callable[[], None],
        silence_s: float = 1.0,
    ) -> None:
        self._redis = redis
        self._on_mail = on_mail
        self._line = Subscription(
            redis,
            keys.node(node),
            on_message=self._deliver,
            on_gap=on_gap,
            silence_s=silence_s,
        )
        self.junk = 0

    @property
    def is_up(self) -> bool:
        return self._line.is_up

    async def run(self) -> None:
        """Listen until cancelled; outlives any restart of Redis."""
        await self._line.run()

    async def ready(self) -> None:
        """Return when nudges reach us. Acquire nothing before: the others would think us dead."""
        await self._line.ready()

    async def down(self) -> None:
        """Return when nudges no longer reach us; the line is being mended."""
        await self._line.down()

    async def alive(self, node: NodeId) -> bool:
        """Whether anybody listens on that node's channel at this moment. Raises BusUnavailable."""
        with reaching_redis():
            counts: Any = await self._redis.pubsub_numsub(keys.node(node))
        return any(listeners > 0 for _, listeners in counts)

    def _deliver(self, data: bytes) -> None:
        nudge = read_nudge(data)
        if nudge is None:
            self.junk += 1
            return
        call, entries = nudge
        # Spoiled entries stay in the log, where the next commit or activation sets them aside.
        if entries.records:
            self._on_mail(call, entries.records)
