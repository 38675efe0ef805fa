"""The log of a call (every event in order; mailbox and journal in one) and the snapshot it folds to.

Ingress and gateway post; the owner commits; any process reads. Each write is one Lua script and therefore atomic. Redis
sets the time of posted events; a call's own events keep the time of their decision, so that folding the log again gives
the same snapshot. Does not know what events mean, except that some end, refuse or bill a call.
"""

import hashlib
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.dead import DeadLetters
from voicecall.bus.ended import RETENTION_S
from voicecall.bus.entries import read_entries
from voicecall.bus.feed.wire import pack_echo
from voicecall.bus.keys import digest
from voicecall.bus.scripts import Scripts
from voicecall.call.events import Billed, CallRejected, Event
from voicecall.call.ids import CallId, LegId, NodeId, Seq, is_call_id
from voicecall.call.state import Call, Phase
from voicecall.errors import Fenced
from voicecall.ports import CallLog, Commit, Committed, Posted, Record
from voicecall.wire import Undecodable, pack_call, pack_event, unpack_call

__all__ = ["RedisCallLog"]

_TOKEN_TTL_S: Final = 60.0
_GRACE_S: Final = 3.0
_AFTER_S: Final = 10.0
_FEED_LENGTH: Final = 50_000


class RedisCallLog(CallLog):
    """`retention_s`: how long an ended call stays readable. `token_ttl_s`: lifetime of an unused stream token.

    `grace_s`: a posted call without an owner becomes an orphan, for the sweeper, after this long. `after_s`: an ended
    call that no job archives becomes due (`ended`) after this long.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        retention_s: float = RETENTION_S,
        token_ttl_s: float = _TOKEN_TTL_S,
        grace_s: float = _GRACE_S,
        after_s: float = _AFTER_S,
    ) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)
        self._dead = DeadLetters(redis, self._scripts)
        self._retention_ms = round(retention_s * 1000)
        self._token_ttl_ms = round(token_ttl_s * 1000)
        self._grace_ms = round(grace_s * 1000)
        self._after_ms = round(after_s * 1000)

    async def post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        *,
        request_key: str | None = None,
        answer: bytes | None = None,
        stream_token: str | None = None,
        reconnects: bool = False,
    ) -> Posted:
        """As the port says. A replay changes nothing but returns the owner: the first delivery may not have rung."""
        replayed, first, owner, nudged, over, kept = await self._scripts.run(
            "post",
            (
                self._keys.log(call),
                self._keys.state(call),
                self._keys.lease(call),
                self._keys.seen(call),
                self._keys.token(call),
                self._keys.calls_live,
                self._keys.calls_ended,
            ),
            call,
            digest(request_key) if request_key is not None else b"",
            _kept_answer(answer),
            digest(stream_token) if stream_token is not None else b"",
            -self._token_ttl_ms if reconnects else self._token_ttl_ms,
            self._grace_ms,
            self._keys.node_prefix,
            self._retention_ms if _is_refusal(events) else b"",
            self._after_ms if any(isinstance(event, Billed) for event in events) else b"",
            *(pack_event(event) for event in events),
        )
        return Posted(
            seqs=() if replayed else tuple(Seq(first + place) for place in range(len(events))),
            replay=bool(replayed),
            answer=_first_answer(kept) if replayed else None,
            owner=NodeId(owner.decode()) if owner else None,
            nudged=bool(nudged),
            over=bool(over),
        )

    async def commit(self, commit: Commit) -> Committed:
        """As the port says. A commit whose reply was lost may be repeated: it is written once.

        `Committed.applied` is the end of the log, own events included. Undecodable entries are set aside and count as
        applied. A leg that this step names is indexed with it, for `find_call`. Raises Fenced also when the log is
        shorter than `applied` (Redis lost its tail): activate the call again.
        """
        call, own = commit.lease.call, [pack_event(event) for event in commit.own]
        snapshot, applied = pack_call(commit.call), int(commit.applied)
        step = hashlib.blake2b(b"%d %d " % (commit.lease.epoch, applied), digest_size=16)
        for part in (snapshot, *own):
            step.update(part)
        while True:
            reply = await self._scripts.run(
                "commit",
                (*self._commit_keys(call), *self._named_leg(commit)),
                commit.lease.epoch,
                applied,
                step.digest(),
                snapshot,
                commit.call.phase.value,
                int(commit.call.is_over),
                self._retention_ms,
                _FEED_LENGTH,
                call,
                pack_echo(commit, own, applied + 1),
                self._after_ms,
                *(part for event, packed in zip(commit.own, own, strict=True) for part in (_time(event), packed)),
            )
            if reply[0] == 0:
                raise Fenced(f"call {call} is owned by a later activation than {commit.lease.epoch}")
            if reply[0] == 1:
                return Committed(applied=Seq(reply[1]))
            missing = read_entries(reply[2])
            await self._dead.set_aside(call, missing.undecodable)
            applied = int(reply[1])
            if missing.records:
                return Committed(applied=commit.applied, missing=missing.records)

    def _commit_keys(self, call: CallId) -> tuple[str, ...]:
        return (
            self._keys.log(call),
            self._keys.state(call),
            self._keys.lease(call),
            self._keys.calls_live,
            self._keys.feed,
            self._keys.seen(call),
            self._keys.token(call),
            self._keys.claims(call),
            self._keys.calls_ended,
        )

    def _named_leg(self, commit: Commit) -> tuple[str, ...]:
        """The key of the call's leg, if one of the events names it."""
        call = commit.call
        named = any(getattr(event, "leg", None) for event in (*(record.event for record in commit.fresh), *commit.own))
        return (self._keys.leg(call.carrier, call.leg),) if named and call.leg is not None and call.carrier else ()

    async def read(self, call: CallId) -> Call | None:
        """As the port says. Raises Undecodable for a snapshot of another build, BusUnavailable."""
        with reaching_redis():
            data = await self._field(call, "snapshot")
        return None if data is None else unpack_call(data)

    async def phase(self, call: CallId) -> Phase | None:
        """The phase at the newest commit; None before the first. Raises Undecodable, BusUnavailable."""
        with reaching_redis():
            data = await self._field(call, "phase")
        try:
            return None if data is None else Phase(data.decode())
        except ValueError as error:
            raise Undecodable("phase is of another build") from error

    async def history(self, call: CallId, after: Seq | None = None) -> tuple[Record, ...]:
        """As the port says. Undecodable entries are set aside. Raises BusUnavailable.

        Not only the commit does this: an owner that fills a gap from here commits past the entry and never meets it.
        """
        with reaching_redis():
            raw: Any = await self._redis.xrange(self._keys.log(call), min=f"0-{(after or 0) + 1}")
        entries = read_entries(raw)
        await self._dead.set_aside(call, entries.undecodable)
        return entries.records

    async def consume_token(self, call: CallId, token: str, number: int = 0, *, again: bool = False) -> bool:
        """As the port says. Raises BusUnavailable."""
        keys = (self._keys.token(call), self._keys.state(call))
        return bool(await self._scripts.run("consume_token", keys, digest(token), number, int(again)))

    async def find_call(self, carrier: str, leg: LegId) -> CallId | None:
        """The call of a leg that a commit named; None when unknown. Raises BusUnavailable."""
        with reaching_redis():
            data: Any = await self._redis.get(self._keys.leg(carrier, leg))
        text = (data or b"").decode("ascii", "replace")
        return CallId(text) if is_call_id(text) else None

    async def _field(self, call: CallId, field: str) -> bytes | None:
        value: Any = await self._redis.hget(self._keys.state(call), field)
        return value if isinstance(value, bytes) else None


def _is_refusal(events: tuple[Event, ...]) -> bool:
    """Whether these events begin a refused call, which never counts as live."""
    return bool(events) and all(isinstance(event, CallRejected) for event in events)


def _kept_answer(answer: bytes | None) -> bytes:
    # The first byte distinguishes "no answer" from an empty one.
    return b"-" if answer is None else b"+" + answer


def _first_answer(kept: bytes) -> bytes | None:
    return kept[1:] if kept.startswith(b"+") else None


def _time(event: Event) -> str:
    return f"{event.at:.6f}" if event.at else ""
