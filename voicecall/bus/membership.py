"""The worker nodes of the cluster: whether any takes calls, and which of them are dead.

Every node polls a few times a second. A killed process loses its socket, so its channel has no listener long before its
leases expire; the node that notices it first rings for its calls. A wrong guess costs one superfluous ring. Silence
counts on a server on which the node has listened: each poll records which that is.
"""

from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, NodeId
from voicecall.ports import WorkerPresence

__all__ = ["Membership"]

_STALE_MS: Final = 30_000  # a node that has not polled for so long is removed
_FRESH_MS: Final = 6_000  # and one that has not for so long takes no call: its process is stuck or stopped
_HOLD_MS: Final = 500


class Membership(WorkerPresence):
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)
        self._has_left = False

    async def poll(self, me: NodeId) -> tuple[NodeId, ...]:
        """Register `me` as alive. Returns nodes without a listener; each is returned to one poller only.

        After `leave` it does neither.
        """
        if self._has_left:
            return ()
        silent = await self._scripts.run(
            "roster",
            (self._keys.nodes,),
            me,
            self._keys.node_prefix,
            _STALE_MS,
            _HOLD_MS,
            self._keys.silent_prefix,
            self._keys.listened_prefix,
        )
        return tuple(NodeId(node.decode()) for node in silent)

    async def calls_of(self, node: NodeId) -> tuple[CallId, ...]:
        """The live calls whose lease this node holds."""
        calls = await self._scripts.run("owned", (self._keys.calls_live,), node, self._keys.call_prefix)
        return tuple(CallId(call.decode()) for call in calls)

    async def is_any_present(self) -> bool:
        return bool(await self.present())

    async def present(self) -> tuple[NodeId, ...]:
        """The nodes that polled a moment ago, have not left, and whose channel has a listener now.

        After a restart or a promotion of the server, also those that have not come to listen again yet.
        """
        found = await self._scripts.run(
            "present", (self._keys.nodes,), self._keys.node_prefix, _FRESH_MS, self._keys.listened_prefix
        )
        return tuple(NodeId(node.decode()) for node in found)

    async def last_seen(self, node: NodeId) -> float | None:
        """When the node last polled, epoch seconds (Redis clock); None for an unknown node or one that has left."""
        with reaching_redis():
            at_ms: float | None = await self._redis.zscore(self._keys.nodes, node)
        return None if at_ms is None else at_ms / 1000

    async def known(self) -> dict[NodeId, float]:
        """When each node last polled, epoch seconds (Redis clock): those of the last half minute that have not left."""
        with reaching_redis():
            found: Any = await self._redis.zrange(self._keys.nodes, 0, -1, withscores=True)
        return {NodeId(node.decode()): at_ms / 1000 for node, at_ms in found}

    async def owners(self) -> dict[CallId, NodeId]:
        """The node that holds the lease of each live call; orphans are left out."""
        with reaching_redis():
            found: Any = await self._redis.zrange(self._keys.calls_live, 0, -1)
            calls = [CallId(call.decode()) for call in found]
            held: Any = await self._redis.mget([self._keys.lease(call) for call in calls]) if calls else []
        owned = zip(calls, held, strict=True)
        return {call: NodeId(lease.decode().partition(" ")[2]) for call, lease in owned if lease is not None}

    async def leave(self, me: NodeId) -> None:
        """Unregister this node for good: it takes no new calls any more."""
        self._has_left = True
        with reaching_redis():
            await self._redis.zrem(self._keys.nodes, me)
