"""Media items on their way to other nodes: collected, paced and bounded.

After a pause the first item leaves with the next iteration of the loop; under load everything collected leaves
together, once per interval, with one publication at a time. What could not be delivered waits in front and goes again,
for a while: a failover of Redis takes a few seconds. Used by `bus.py`; does not know how items are published.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from voicecall.bus.media.bundles import Packed
from voicecall.call.ids import NodeId
from voicecall.ports import CallerAudio, MediaItem, Play

__all__ = ["Bundle", "PacedQueue"]

_OVERHEAD: Final = 64
"""Bytes that an item counts besides its audio."""

_AGAIN_S: Final = 0.05

Bundle = tuple[NodeId, list[MediaItem | Packed]]
"""What is packed already is caller audio."""


class PacedQueue:
    """`publish` gets everything that waits, one bundle per destination, and returns those that were not delivered.

    They go again for `again_s` from the first failure of their destination on. `bound`: bytes that may wait for each.
    """

    def __init__(
        self,
        publish: Callable[[list[Bundle]], Awaitable[Iterable[Bundle]]],
        *,
        interval_s: float,
        bound: int,
        again_s: float = 0.0,
    ) -> None:
        self._publish = publish
        self._interval_s = interval_s
        self._bound = bound
        self._again_s = again_s
        self._failing_since: dict[NodeId, float] = {}
        self._outboxes: dict[NodeId, _Outbox] = {}
        self._published_at = float("-inf")
        self._timer: asyncio.Handle | None = None
        self._publication: asyncio.Task[None] | None = None
        self.dropped = 0

    def put(self, to: NodeId, item: MediaItem | Packed) -> None:
        outbox = self._outboxes.get(to)
        if outbox is None:
            outbox = self._outboxes[to] = _Outbox(self._bound)
        self.dropped += outbox.put(item)
        if self._timer is None and self._publication is None:
            self._schedule()

    def withdraw(self, to: NodeId) -> list[MediaItem | Packed]:
        """What waits for this node, which is not sent any more."""
        outbox = self._outboxes.pop(to, None)
        return [] if outbox is None else outbox.items

    async def flush(self) -> None:
        """Return when nothing waits and nothing is being published."""
        while self._timer is not None or self._publication is not None:
            if self._publication is None:
                if self._failing_since:
                    await asyncio.sleep(_AGAIN_S)
                self._start()
            if self._publication is not None:
                await asyncio.wait((self._publication,))

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._published_at + (max(self._interval_s, _AGAIN_S) if self._failing_since else self._interval_s)
        self._timer = loop.call_soon(self._start) if loop.time() >= due else loop.call_at(due, self._start)

    def _start(self) -> None:
        if self._publication is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._publication = asyncio.create_task(self._publish_all())

    async def _publish_all(self) -> None:
        self._published_at = asyncio.get_running_loop().time()
        # A new dict each time, so that nodes long gone leave nothing behind.
        outboxes, self._outboxes = self._outboxes, {}
        try:
            failed = dict(await self._publish([(to, outbox.items) for to, outbox in outboxes.items()]))
            if self._failing_since:
                for to in outboxes.keys() - failed.keys():
                    self._failing_since.pop(to, None)
            for to, items in failed.items():
                self._put_back(to, items)
        finally:
            self._publication = None
            if self._outboxes:
                self._schedule()

    def _put_back(self, to: NodeId, items: list[MediaItem | Packed]) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._failing_since.setdefault(to, now) >= self._again_s:
            self.dropped += len(items)
            self._failing_since.pop(to)
            return
        later, outbox = self._outboxes.pop(to, None), _Outbox(self._bound)
        for item in (*items, *(later.items if later is not None else ())):
            self.dropped += outbox.put(item)
        self._outboxes[to] = outbox


class _Outbox:
    """Items for one node, in order. Above `bound` the oldest audio is evicted; commands stay."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._size = 0
        self.items: list[MediaItem | Packed] = []

    def put(self, item: MediaItem | Packed) -> int:
        """Append the item. Returns how many items were evicted."""
        self.items.append(item)
        self._size += _size(item)
        return self._evict() if self._size > self._bound else 0

    def _evict(self) -> int:
        # Down to half at once, so that eviction stays cheap per item during a long outage.
        room, kept = self._bound // 2, []
        for item in reversed(self.items):
            room -= _size(item)
            if room >= 0 or not isinstance(item, bytes | Play | CallerAudio):
                kept.append(item)
        # Commands alone fill it only after a very long outage; then the newest ones are kept.
        kept = kept[: self._bound // (2 * _OVERHEAD)]
        evicted = len(self.items) - len(kept)
        self.items = kept[::-1]
        self._size = sum(map(_size, kept))
        return evicted


def _size(item: MediaItem | Packed) -> int:
    if isinstance(item, bytes):
        return _OVERHEAD + len(item)
    return _OVERHEAD + (len(item.mulaw) if isinstance(item, Play | CallerAudio) else 0)
