"""Ended calls in Redis: which are due for archiving, which are kept for a while after it, and how one is forgotten.

A call is due from the commit that ends it until `done`; it stays whole in Redis until then and for `keep_s` after. Used
by the workers' jobs and sweeper, and by the gateway to forget calls. Does not know the archive.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId

__all__ = ["RETENTION_S", "ArchiveClaim", "ArchiveResult", "EndedCalls", "ForgetResult", "UnreadableSnapshot"]

RETENTION_S: Final = 30 * 86_400.0
"""How long an ended call stays readable in Redis when it is never archived."""

_HOLD_S: Final = 120.0  # longer than a job waits between two attempts
_PAGE: Final = 1_000


class ForgetResult(IntEnum):
    """Outcome of `forget` for one call; LIVE: it is marked, and forgotten when it ends."""

    UNKNOWN = 0
    LIVE = 1
    GONE = 2


class ArchiveResult(IntEnum):
    """Outcome of `done`."""

    AGAIN = 0  # its log has grown meanwhile: archive it anew
    KEPT = 1
    FORGOTTEN = 2  # by a request meanwhile: delete it from the archive too


@dataclass(frozen=True, slots=True)
class ArchiveClaim:
    """`first`: no job has claimed this call before. `forget`: delete everything of it instead of archiving it."""

    first: bool
    forget: bool


@dataclass(frozen=True, slots=True)
class UnreadableSnapshot:
    """A snapshot that has been undecodable for `since_s` seconds."""

    since_s: float
    snapshot: bytes = field(repr=False)  # may quote the conversation


class EndedCalls:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis, *, retention_s: float = RETENTION_S, hold_s: float = _HOLD_S) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)
        self._retention_ms = round(retention_s * 1000)
        self._hold_s = hold_s

    async def due(self, limit: int) -> tuple[CallId, ...]:
        """Up to `limit` ended calls that are not archived and that no job has claimed recently.

        They are not returned again for `hold_s`, the time in which a job should claim them.
        """
        return await self._next(self._keys.calls_ended, limit, self._hold_s)

    async def begin(self, call: CallId) -> ArchiveClaim | None:
        """Claim an ended call for archiving; None when there is none of this id, which is then no longer due.

        A call that was forgotten is claimed with `forget` again: an earlier job may have died in between.
        """
        over, first, forget = await self._scripts.run(
            "ended_begin",
            (
                self._keys.state(call),
                self._keys.calls_ended,
                self._keys.log(call),
                self._keys.seen(call),
                self._keys.claims(call),
            ),
            call,
            round(self._hold_s * 1000),
            self._retention_ms,
        )
        if not over:
            with reaching_redis():
                await self._redis.zrem(self._keys.calls_ended, call)
            return None
        return ArchiveClaim(first=bool(first), forget=bool(forget))

    async def done(self, call: CallId, events: int, *, keep_s: float) -> ArchiveResult:
        """Record that the call is archived up to `events` entries of its log. It stays readable here for `keep_s`."""
        names = (self._keys.log(call), self._keys.calls_ended, self._keys.calls_kept, self._keys.state(call))
        return ArchiveResult(await self._scripts.run("ended_done", names, call, events, round(keep_s * 1000)))

    async def trace_once(self, call: CallId) -> bool:
        """Whether to export the call's trace: True for the first job that asks, whichever worker runs it."""
        return bool(await self._scripts.run("trace_once", (self._keys.state(call),)))

    async def unreadable(self, call: CallId) -> UnreadableSnapshot | None:
        """Record that the snapshot is undecodable. Returns since when; None when there is no snapshot any more."""
        since_ms, snapshot = await self._scripts.run("unreadable", (self._keys.state(call),))
        return None if since_ms < 0 else UnreadableSnapshot(since_s=since_ms / 1000, snapshot=snapshot)

    async def length(self, call: CallId) -> int:
        """The number of log entries, decodable or not."""
        with reaching_redis():
            return int(await self._redis.xlen(self._keys.log(call)))

    async def evict(self, limit: int) -> int:
        """Remove up to `limit` archived calls whose `keep_s` is over from Redis. Returns how many."""
        calls = await self._next(self._keys.calls_kept, limit, 0.0)
        for call in calls:
            await self._forget(call, mark=False)
        return len(calls)

    async def forget(self, *calls: CallId) -> dict[CallId, ForgetResult]:
        """Delete everything of these calls; a live one is marked, and deleted when it ends."""
        outcomes = {call: await self._forget(call, mark=True) for call in calls}
        for call in calls:
            with reaching_redis():
                await self._redis.delete(self._keys.report(call))
                await self._redis.zrem(self._keys.reports_due, call)
        await self.purge([call for call, outcome in outcomes.items() if outcome is not ForgetResult.LIVE])
        return outcomes

    async def purge(self, calls: Collection[CallId]) -> None:
        """Delete the items of these calls from the feed and the dead letters."""
        names = {call.encode() for call in calls}
        if not names:
            return
        for stream, call_field in ((self._keys.feed, b"c"), (self._keys.dead, b"call")):
            start = "-"
            while True:
                with reaching_redis():
                    page: Any = await self._redis.xrange(stream, min=start, count=_PAGE)
                    found = [item for item, fields in page if fields.get(call_field) in names]
                    if found:
                        await self._redis.xdel(stream, *found)
                if len(page) < _PAGE:
                    break
                start = f"({page[-1][0].decode()}"

    async def list(self) -> tuple[CallId, ...]:
        """Every ended call that is still whole in Redis, archived or not."""
        with reaching_redis():
            names: Any = [
                await self._redis.zrange(key, 0, -1) for key in (self._keys.calls_ended, self._keys.calls_kept)
            ]
        return tuple({CallId(name.decode()): None for found in names for name in found})

    async def waiting(self) -> int:
        """How many ended calls are not archived yet."""
        with reaching_redis():
            return int(await self._redis.zcard(self._keys.calls_ended))

    async def trim_feed(self, older_than_s: float) -> None:
        """Delete feed items older than this."""
        with reaching_redis():
            seconds, _ = await self._redis.time()
            await self._redis.xtrim(
                self._keys.feed, minid=f"{round((seconds - older_than_s) * 1000)}-0", approximate=False
            )

    async def elected(self, task: str, every_s: float) -> bool:
        """True for one process in every `every_s`: it runs this periodic task for the cluster."""
        with reaching_redis():
            taken = await self._redis.set(self._keys.errand(task), b"1", nx=True, px=round(every_s * 1000))
        return bool(taken)

    async def _forget(self, call: CallId, *, mark: bool) -> ForgetResult:
        names: Iterable[str] = (
            self._keys.state(call),
            self._keys.log(call),
            self._keys.seen(call),
            self._keys.claims(call),
        )
        outcome = await self._scripts.run(
            "forget", (*names, self._keys.calls_ended, self._keys.calls_kept), call, int(mark)
        )
        return ForgetResult(outcome)

    async def _next(self, key: str, limit: int, hold_s: float) -> tuple[CallId, ...]:
        calls = await self._scripts.run("orphans", (key,), limit, round(hold_s * 1000))
        return tuple(CallId(call.decode()) for call in calls)
