"""Which worker nodes there are, and which of them have gone silent.

Every node looks a few times a second. A process that was killed has lost its socket, so its channel has no listener
long before its leases end: whoever sees it first rings for its calls (architecture 3). A wrong guess costs a ring.
"""

from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, NodeId

__all__ = ["Membership"]

_NODES: Final = "nodes"
"""Sorted set of worker nodes; the score is when each was last here (ms, Redis clock)."""

_STALE_MS: Final = 30_000
_HOLD_MS: Final = 500


class Membership:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    async def look(self, me: NodeId) -> tuple[NodeId, ...]:
        """Say that `me` is here; gives back nodes that nobody listens for. One of many lookers is told."""
        silent = await self._scripts.run("roster", (_NODES,), me, keys.NODE, _STALE_MS, _HOLD_MS)
        return tuple(NodeId(node.decode()) for node in silent)

    async def calls_of(self, node: NodeId) -> tuple[CallId, ...]:
        """The live calls that node holds."""
        calls = await self._scripts.run("owned", (keys.CALLS_LIVE,), node)
        return tuple(CallId(call.decode()) for call in calls)

    async def present(self) -> tuple[NodeId, ...]:
        """The nodes somebody listens for at this moment."""
        with reaching_redis():
            seconds, _ = await self._redis.time()
            found: Any = await self._redis.zrangebyscore(_NODES, seconds * 1000 - _STALE_MS, "+inf")
            names = [node.decode() for node in found]
            heard: Any = await self._redis.pubsub_numsub(*(keys.node(NodeId(name)) for name in names)) if names else []
        return tuple(NodeId(name) for name, (_, ears) in zip(names, heard, strict=True) if ears)

    async def last_seen(self, node: NodeId) -> float | None:
        """When that node was last here, in epoch seconds of Redis; None for a node that left or was never here."""
        with reaching_redis():
            at_ms: float | None = await self._redis.zscore(_NODES, node)
        return None if at_ms is None else at_ms / 1000

    async def leave(self, me: NodeId) -> None:
        """This node goes: its silence means nothing any more."""
        with reaching_redis():
            await self._redis.zrem(_NODES, me)
