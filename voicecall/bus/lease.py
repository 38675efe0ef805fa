"""Who owns a call: the right to be its one activation, numbered by an epoch that only grows.

Workers acquire when they are rung, renew once a second, and stop by their own steady clock before the ttl ends. Time
is the Redis server's alone. Two signs tell that an owner is gone: its lease ran out (it hangs), or the channel of its
node has no listener in two looks (its process is dead: the kernel closed its socket at once). Both end in the same
fence, so a wrong guess costs a change of owner and never a second one (reliability P1).
"""

import asyncio
from dataclasses import replace
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.dead import DeadLetters
from voicecall.bus.entries import Spoiled, read_entries
from voicecall.bus.membership import Membership
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, EffectId, Epoch, NodeId, Seq
from voicecall.ports import Ingest, Lease, Leases
from voicecall.wire import Undecodable, unpack_call

__all__ = ["RedisLeases"]

_TTL_S: Final = 4.0
_SECOND_LOOK_S: Final = 0.1
_SETTLE_S: Final = 2


class RedisLeases(Leases):
    """`ttl_s`: how long a lease lasts unrenewed. `second_look_s`: between the two looks at a silent owner.

    `settle_s`: for so long after a start of Redis a silent owner is not taken for dead. Belongs to
    one event loop, like the client it is given; a renewer in a thread of its own makes its own.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        ttl_s: float = _TTL_S,
        second_look_s: float = _SECOND_LOOK_S,
        settle_s: int = _SETTLE_S,
    ) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._dead = DeadLetters(redis, self._scripts)
        self._membership = Membership(redis)
        self._ttl_ms = round(ttl_s * 1000)
        self._second_look_s = second_look_s
        self._settle_s = settle_s

    @property
    def ttl_s(self) -> float:
        return self._ttl_ms / 1000

    async def acquire(self, call: CallId, node: NodeId) -> Ingest | None:
        """As the port says; None also for a call that is over or was never posted, which then counts as live no more.

        A node takes from a living lease only while its own channel is heard. Raises BusUnavailable; then the lease
        may be ours unknown to us, and runs out.
        """
        reply = await self._try(call, node, seen_dead=b"")
        owner_seen_at = None
        if reply[0] == 2:
            owner = NodeId(reply[1].decode().partition(" ")[2])
            owner_seen_at = await self._membership.last_seen(owner)
            await asyncio.sleep(self._second_look_s)
            reply = await self._try(call, node, seen_dead=reply[1])
        if reply[0] != 1:
            return None
        return replace(await self._ingest(call, node, reply), owner_seen_at=owner_seen_at)

    async def _ingest(self, call: CallId, node: NodeId, reply: list[Any]) -> Ingest:
        _, epoch, applied, snapshot, rest = reply
        lease = Lease(call=call, node=node, epoch=Epoch(epoch))
        entries = read_entries(rest)
        await self._dead.set_aside(call, entries.spoiled)
        if not snapshot:
            return Ingest(lease=lease, call=None, applied=Seq(applied), rest=entries.records)
        try:
            state = unpack_call(snapshot)
        except Undecodable as error:
            return await self._from_the_beginning(lease, Spoiled(Seq(applied), snapshot, f"snapshot: {error}"))
        return Ingest(lease=lease, call=state, applied=Seq(applied), rest=entries.records)

    async def _try(self, call: CallId, node: NodeId, *, seen_dead: bytes) -> list[Any]:
        reply: list[Any] = await self._scripts.run(
            "acquire",
            (keys.state(call), keys.lease(call), keys.log(call), keys.CALLS_LIVE),
            node,
            self._ttl_ms,
            call,
            keys.NODE,
            seen_dead,
            self._settle_s,
        )
        return reply

    async def _from_the_beginning(self, lease: Lease, spoiled: Spoiled) -> Ingest:
        """Without a readable snapshot the log still tells everything: it is whole while the call lives."""
        await self._dead.set_aside(lease.call, (spoiled,))
        with reaching_redis():
            raw: Any = await self._redis.xrange(keys.log(lease.call))
        entries = read_entries(raw)
        await self._dead.set_aside(lease.call, entries.spoiled)
        return Ingest(lease=lease, call=None, applied=Seq(0), rest=entries.records)

    async def renew(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        """As the port says. A lease that ran out while nobody came goes on under the same epoch. Raises BusUnavailable.

        A call that is over counts as lost.
        """
        if not leases:
            return ()
        lost = await self._scripts.run(
            "renew",
            (keys.CALLS_LIVE, *(key for lease in leases for key in (keys.lease(lease.call), keys.state(lease.call)))),
            self._ttl_ms,
            *(value for lease in leases for value in (lease.call, lease.epoch, _held(lease))),
        )
        return tuple(leases[place - 1] for place in lost)

    async def release(self, lease: Lease) -> None:
        """Let go at once; the call is an orphan until somebody rings. Harmless when it is ours no more."""
        await self._scripts.run("release", (keys.lease(lease.call), keys.CALLS_LIVE), _held(lease), lease.call)

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        """As the port says. Raises BusUnavailable; then the claim may stand, and only looking tells what was done."""
        return bool(
            await self._scripts.run("claim", (keys.state(lease.call), keys.claims(lease.call)), lease.epoch, effect),
        )


def _held(lease: Lease) -> str:
    return f"{lease.epoch} {lease.node}"
