"""What follows the end of a call: nothing is lost before it is archived, and nothing stays that is to be forgotten.

A call is due from the commit that ends it until somebody says it is archived; it stays whole here for so long, and for
a while after. Used by the workers' jobs and sweeper, and by the gateway to forget. Knows no archive.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId

__all__ = ["RETENTION_S", "ArchiveClaim", "ArchiveResult", "EndedCalls", "ForgetResult", "UnreadableSnapshot"]

RETENTION_S: Final = 30 * 86_400.0
"""How long a call that is over stays readable in Redis, where nobody archives it."""

_HOLD_S: Final = 120.0  # longer than a job waits between two tries
_PAGE: Final = 1_000


class ForgetResult(IntEnum):
    """What became of the wish to forget a call."""

    UNKNOWN = 0
    LIVE = 1
    GONE = 2


class ArchiveResult(IntEnum):
    """What became of the word that a call is archived."""

    AGAIN = 0  # more was told of it meanwhile
    KEPT = 1
    FORGOTTEN = 2  # meanwhile: the archive must not have it either


@dataclass(frozen=True, slots=True)
class ArchiveClaim:
    """`first`: nobody was at this call's end before. `forget`: keep nothing of it."""

    first: bool
    forget: bool


@dataclass(frozen=True, slots=True)
class UnreadableSnapshot:
    """A snapshot nobody could read for so long."""

    since_s: float
    snapshot: bytes = field(repr=False)  # may hold what people said


class EndedCalls:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis, *, retention_s: float = RETENTION_S, hold_s: float = _HOLD_S) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._retention_ms = round(retention_s * 1000)
        self._hold_s = hold_s

    async def due(self, limit: int) -> tuple[CallId, ...]:
        """Up to `limit` calls that are over, not archived, and that nobody has been at for a while.

        They are not named again for as long as a job may take to be heard of.
        """
        return await self._named(keys.CALLS_ENDED, limit, self._hold_s)

    async def begin(self, call: CallId) -> ArchiveClaim | None:
        """Somebody is at it now; None when there is no such call that is over: then it is due no more.

        A call that was forgotten is to be forgotten again: who was at it before may have died in between.
        """
        over, first, forget = await self._scripts.run(
            "ended_begin",
            (keys.state(call), keys.CALLS_ENDED, keys.log(call), keys.seen(call), keys.claims(call)),
            call,
            round(self._hold_s * 1000),
            self._retention_ms,
        )
        if not over:
            with reaching_redis():
                await self._redis.zrem(keys.CALLS_ENDED, call)
            return None
        return ArchiveClaim(first=bool(first), forget=bool(forget))

    async def done(self, call: CallId, events: int, *, keep_s: float) -> ArchiveResult:
        """The call is archived, as its log was when it had so many events. It stays readable here for `keep_s`."""
        names = (keys.log(call), keys.CALLS_ENDED, keys.CALLS_KEPT, keys.state(call))
        return ArchiveResult(await self._scripts.run("ended_done", names, call, events, round(keep_s * 1000)))

    async def unreadable(self, call: CallId) -> UnreadableSnapshot | None:
        """Say that the snapshot cannot be read; since when that is so. None when there is no snapshot any more."""
        since_ms, snapshot = await self._scripts.run("unreadable", (keys.state(call),))
        return None if since_ms < 0 else UnreadableSnapshot(since_s=since_ms / 1000, snapshot=snapshot)

    async def length(self, call: CallId) -> int:
        """How many events the log has now, readable or not."""
        with reaching_redis():
            return int(await self._redis.xlen(keys.log(call)))

    async def evict(self, limit: int) -> int:
        """Let go of up to `limit` calls that are archived and have stayed here long enough; how many."""
        calls = await self._named(keys.CALLS_KEPT, limit, 0.0)
        for call in calls:
            await self._forgotten(call, mark=False)
        return len(calls)

    async def forget(self, *calls: CallId) -> dict[CallId, ForgetResult]:
        """Keep nothing of these calls; a living one is marked, and forgotten when it ends."""
        outcomes = {call: await self._forgotten(call, mark=True) for call in calls}
        await self.purge([call for call, outcome in outcomes.items() if outcome is not ForgetResult.LIVE])
        return outcomes

    async def purge(self, calls: Collection[CallId]) -> None:
        """Take what was told of these calls out of the feed and the dead letters."""
        names = {call.encode() for call in calls}
        if not names:
            return
        for stream, named in ((keys.FEED, b"c"), (keys.DEAD, b"call")):
            start = "-"
            while True:
                with reaching_redis():
                    page: Any = await self._redis.xrange(stream, min=start, count=_PAGE)
                    told = [item for item, fields in page if fields.get(named) in names]
                    if told:
                        await self._redis.xdel(stream, *told)
                if len(page) < _PAGE:
                    break
                start = f"({page[-1][0].decode()}"

    async def members(self) -> tuple[CallId, ...]:
        """Every call that is over and still whole here, archived or not."""
        with reaching_redis():
            names: Any = [await self._redis.zrange(key, 0, -1) for key in (keys.CALLS_ENDED, keys.CALLS_KEPT)]
        return tuple({CallId(name.decode()): None for found in names for name in found})

    async def trim_feed(self, older_than_s: float) -> None:
        """Nobody may read in the feed what happened longer ago."""
        with reaching_redis():
            seconds, _ = await self._redis.time()
            await self._redis.xtrim(keys.FEED, minid=f"{round((seconds - older_than_s) * 1000)}-0", approximate=False)

    async def elected(self, errand: str, every_s: float) -> bool:
        """True for one asker in `every_s`: the one who runs this errand for all."""
        with reaching_redis():
            taken = await self._redis.set(f"errand:{errand}", b"1", nx=True, px=round(every_s * 1000))
        return bool(taken)

    async def _forgotten(self, call: CallId, *, mark: bool) -> ForgetResult:
        names: Iterable[str] = (keys.state(call), keys.log(call), keys.seen(call), keys.claims(call))
        outcome = await self._scripts.run("forget", (*names, keys.CALLS_ENDED, keys.CALLS_KEPT), call, int(mark))
        return ForgetResult(outcome)

    async def _named(self, key: str, limit: int, hold_s: float) -> tuple[CallId, ...]:
        calls = await self._scripts.run("orphans", (key,), limit, round(hold_s * 1000))
        return tuple(CallId(call.decode()) for call in calls)
