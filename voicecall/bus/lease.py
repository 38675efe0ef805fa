"""Leases: the right to be the one activation of a call, numbered by an epoch that only grows.

Workers acquire a lease when a ring arrives, renew it once a second, and stop by their own monotonic clock before its
ttl ends. All times in Redis are the server's. An owner counts as gone when its lease has expired (it hangs), or when
the channel of its node has no listener in two checks, on the server on which it has listened (its process is dead: the
kernel closed its socket at once). On a server that was just promoted or restarted no node has listened yet, so there
only the lease decides. In all cases the fence decides, so a wrong guess changes the owner but never makes two
(guarantee P1).
"""

import asyncio
from dataclasses import replace
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.dead import DeadLetters
from voicecall.bus.entries import UndecodableEntry, read_entries
from voicecall.bus.membership import Membership
from voicecall.bus.scripts import Scripts
from voicecall.call.events import Takeover
from voicecall.call.ids import CallId, EffectId, Epoch, NodeId, Seq
from voicecall.ports import Ingest, Lease, Leases
from voicecall.wire import OtherVersion, Undecodable, unpack_call

__all__ = ["RedisLeases"]

_TTL_S: Final = 4.0
_SECOND_LOOK_S: Final = 0.1


class RedisLeases(Leases):
    """`ttl_s`: lifetime of a lease that is not renewed. `second_look_s`: between the two checks of a silent owner.

    Belongs to one event loop, like its client; a renewer in a thread of its own makes its own.
    """

    def __init__(self, redis: Redis, *, ttl_s: float = _TTL_S, second_look_s: float = _SECOND_LOOK_S) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)
        self._dead = DeadLetters(redis, self._scripts)
        self._membership = Membership(redis)
        self._ttl_ms = round(ttl_s * 1000)
        self._second_look_s = second_look_s

    @property
    def ttl_s(self) -> float:
        return self._ttl_ms / 1000

    async def acquire(self, call: CallId, node: NodeId) -> Ingest | None:
        """As the port says. None also for a call that is over or was never posted, which is then no longer live.

        A node takes over a valid lease only while its own channel has a listener. Raises BusUnavailable: this node may
        then hold the lease without knowing it, and the lease expires.
        """
        reply = await self._try(call, node, seen_dead=b"")
        owner_seen_at = None
        is_stolen = reply[0] == 2
        if is_stolen:
            owner = NodeId(reply[1].decode().partition(" ")[2])
            owner_seen_at = await self._membership.last_seen(owner)
            await asyncio.sleep(self._second_look_s)
            reply = await self._try(call, node, seen_dead=reply[1])
        if reply[0] != 1:
            return None
        cause = Takeover.HANDED_OVER if reply[5] else Takeover.DIED if is_stolen else Takeover.LAPSED
        return replace(await self._ingest(call, node, reply), owner_seen_at=owner_seen_at, cause=cause)

    async def _ingest(self, call: CallId, node: NodeId, reply: list[Any]) -> Ingest:
        _, epoch, applied, snapshot, rest, _ = reply
        lease = Lease(call=call, node=node, epoch=Epoch(epoch))
        entries = read_entries(rest)
        await self._dead.set_aside(call, entries.undecodable)
        if not snapshot:
            return Ingest(lease=lease, call=None, applied=Seq(applied), rest=entries.records)
        try:
            state = unpack_call(snapshot)
        except OtherVersion:
            return await self._ingest_whole_log(lease)
        except Undecodable as error:
            letter = UndecodableEntry(Seq(applied), snapshot, f"snapshot: {error}")
            await self._dead.set_aside(call, (letter,))
            return await self._ingest_whole_log(lease)
        return Ingest(lease=lease, call=state, applied=Seq(applied), rest=entries.records)

    async def _try(self, call: CallId, node: NodeId, *, seen_dead: bytes) -> list[Any]:
        reply: list[Any] = await self._scripts.run(
            "acquire",
            (self._keys.state(call), self._keys.lease(call), self._keys.log(call), self._keys.calls_live),
            node,
            self._ttl_ms,
            call,
            self._keys.node_prefix,
            seen_dead,
            self._keys.listened_prefix,
        )
        return reply

    async def _ingest_whole_log(self, lease: Lease) -> Ingest:
        """Start from the whole log, which is never trimmed while the call is live: nothing of the snapshot is lost."""
        with reaching_redis():
            raw: Any = await self._redis.xrange(self._keys.log(lease.call))
        entries = read_entries(raw)
        await self._dead.set_aside(lease.call, entries.undecodable)
        return Ingest(lease=lease, call=None, applied=Seq(0), rest=entries.records, refolds=True)

    async def owner(self, call: CallId) -> NodeId | None:
        """The node that holds the lease of this call now. Raises BusUnavailable."""
        with reaching_redis():
            held: Any = await self._redis.get(self._keys.lease(call))
        return None if held is None else NodeId(held.decode().partition(" ")[2])

    async def renew(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        """As the port says. An expired lease that no other node took continues under the same epoch.

        A call that is over counts as lost. Raises BusUnavailable.
        """
        if not leases:
            return ()
        lost = await self._scripts.run(
            "renew",
            (
                self._keys.calls_live,
                *(key for lease in leases for key in (self._keys.lease(lease.call), self._keys.state(lease.call))),
            ),
            self._ttl_ms,
            *(value for lease in leases for value in (lease.call, lease.epoch, _held(lease))),
        )
        return tuple(leases[place - 1] for place in lost)

    async def release(self, lease: Lease, *, handed_over: bool = False) -> None:
        """As the port says; the call is an orphan until a ring. Ignores a lost lease. Raises BusUnavailable."""
        await self._scripts.run(
            "release",
            (self._keys.lease(lease.call), self._keys.calls_live, self._keys.state(lease.call)),
            _held(lease),
            lease.call,
            lease.epoch if handed_over else "",
        )

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        """As the port says. Raises BusUnavailable: the claim may then exist, and whether the effect ran is unknown."""
        return bool(
            await self._scripts.run(
                "claim", (self._keys.state(lease.call), self._keys.claims(lease.call)), lease.epoch, effect
            ),
        )


def _held(lease: Lease) -> str:
    return f"{lease.epoch} {lease.node}"
