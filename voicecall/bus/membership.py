"""The worker nodes of the cluster, and which of them are dead.

Every node polls a few times a second. A killed process loses its socket, so its channel has no listener long before its
leases expire; the node that notices it first rings for its calls. A wrong guess costs one superfluous ring.
"""

from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, NodeId

__all__ = ["Membership"]

_STALE_MS: Final = 30_000
_HOLD_MS: Final = 500


class Membership:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def poll(self, me: NodeId) -> tuple[NodeId, ...]:
        """Register `me` as alive. Returns nodes without a listener; each is returned to one poller only."""
        silent = await self._scripts.run(
            "roster", (self._keys.nodes,), me, self._keys.node_prefix, _STALE_MS, _HOLD_MS, self._keys.silent_prefix
        )
        return tuple(NodeId(node.decode()) for node in silent)

    async def calls_of(self, node: NodeId) -> tuple[CallId, ...]:
        """The live calls whose lease this node holds."""
        calls = await self._scripts.run("owned", (self._keys.calls_live,), node, self._keys.call_prefix)
        return tuple(CallId(call.decode()) for call in calls)

    async def present(self) -> tuple[NodeId, ...]:
        """The nodes whose channel has a listener now."""
        with reaching_redis():
            seconds, _ = await self._redis.time()
            found: Any = await self._redis.zrangebyscore(self._keys.nodes, seconds * 1000 - _STALE_MS, "+inf")
            names = [node.decode() for node in found]
            counts: Any = (
                await self._redis.pubsub_numsub(*(self._keys.node(NodeId(name)) for name in names)) if names else []
            )
        return tuple(NodeId(name) for name, (_, listeners) in zip(names, counts, strict=True) if listeners)

    async def last_seen(self, node: NodeId) -> float | None:
        """When the node last polled, epoch seconds (Redis clock); None for an unknown node or one that has left."""
        with reaching_redis():
            at_ms: float | None = await self._redis.zscore(self._keys.nodes, node)
        return None if at_ms is None else at_ms / 1000

    async def leave(self, me: NodeId) -> None:
        """Unregister this node, which is about to exit."""
        with reaching_redis():
            await self._redis.zrem(self._keys.nodes, me)
