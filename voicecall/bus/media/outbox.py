"""Items on their way to other nodes: collected, paced, and bounded.

The first item of a quiet time leaves with the next turn of the loop; under load everything that gathered leaves
together, once per interval and never two messages at a time. Used by `bus/media.py`; does not know what carries them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from voicecall.call.ids import NodeId
from voicecall.ports import CallerAudio, MediaItem, Play

__all__ = ["Bundle", "PacedQueue"]

_OVERHEAD: Final = 64
"""What an item counts besides its audio, in bytes."""

Bundle = tuple[NodeId, list[MediaItem]]


class PacedQueue:
    """`publish` takes everything that waits, one bundle per destination. `bound`: bytes that may wait for each."""

    def __init__(self, publish: Callable[[list[Bundle]], Awaitable[None]], *, interval_s: float, bound: int) -> None:
        self._publish = publish
        self._interval_s = interval_s
        self._bound = bound
        self._boxes: dict[NodeId, _Outbox] = {}
        self._left_at = float("-inf")
        self._timer: asyncio.Handle | None = None
        self._flight: asyncio.Task[None] | None = None
        self.dropped = 0

    def put(self, to: NodeId, item: MediaItem) -> None:
        simulator = self._boxes.get(to)
        if simulator is None:
            simulator = self._boxes[to] = _Outbox(self._bound)
        self.dropped += simulator.put(item)
        if self._timer is None and self._flight is None:
            self._schedule()

    async def flush(self) -> None:
        """Return when nothing waits and nothing is under way."""
        while self._timer is not None or self._flight is not None:
            if self._flight is None:
                self._leave()
            if self._flight is not None:
                await asyncio.wait((self._flight,))

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._left_at + self._interval_s
        self._timer = loop.call_soon(self._leave) if loop.time() >= due else loop.call_at(due, self._leave)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flight = asyncio.create_task(self._fly())

    async def _fly(self) -> None:
        self._left_at = asyncio.get_running_loop().time()
        # Boxes are made anew, so that nodes long gone leave nothing behind.
        simulators_, self._boxes = self._boxes, {}
        try:
            await self._publish([(to, simulator.items) for to, simulator in simulators_.items()])
        finally:
            self._flight = None
            if self._boxes:
                self._schedule()


class _Outbox:
    """Items for one node, in order: when they are too many the oldest audio gives way, and commands stay."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._size = 0
        self.items: list[MediaItem] = []

    def put(self, item: MediaItem) -> int:
        """How many items had to go for this one."""
        self.items.append(item)
        self._size += _size(item)
        return self._evict() if self._size > self._bound else 0

    def _evict(self) -> int:
        # Down to half at once: then shedding costs little per item, however long the trouble lasts.
        room, kept = self._bound // 2, []
        for item in reversed(self.items):
            room -= _size(item)
            if room >= 0 or not isinstance(item, Play | CallerAudio):
                kept.append(item)
        # Commands alone fill it only when nobody has taken any for very long; then the newest must do.
        kept = kept[: self._bound // (2 * _OVERHEAD)]
        gone = len(self.items) - len(kept)
        self.items = kept[::-1]
        self._size = sum(map(_size, kept))
        return gone


def _size(item: MediaItem) -> int:
    return _OVERHEAD + (len(item.mulaw) if isinstance(item, Play | CallerAudio) else 0)
