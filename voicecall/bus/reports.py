"""Reports in Redis: which calls are due for one, each report once, and what is left to do with it.

A call is due from `schedule` until `settled`. The first report that is put is the call's; a later one is not kept. Used
by the workers, which make and deliver reports, and by the gateway, which reads them. Does not know what a report says,
nor where it goes.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.dead import BYTES_KEPT, LETTERS_KEPT
from voicecall.bus.scripts import Scripts
from voicecall.call.events import Billed
from voicecall.call.ids import CallId
from voicecall.wire import pack, pack_event

__all__ = ["LETTER", "KeptReport", "Reports"]

LETTER: Final = "report: "
"""How the reason of a dead letter begins that is a report which was not delivered."""

_KEPT_S: Final = 30 * 86_400.0
_FEED_LENGTH: Final = 50_000
_FIELDS: Final = ("report", "tries", "since", "delivered", "archived", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReport:
    """`tries`: of its delivery. `since`: when the first of them was, epoch seconds; None: there was none.

    `is_delivered`: accepted, given up (`is_dead`), or nowhere to go. `is_archived`: the archive has it, or is not to.
    """

    report: dict[str, Any] = field(repr=False)
    tries: int = 0
    since: float | None = None
    is_delivered: bool = False
    is_archived: bool = False
    is_dead: bool = False


class Reports:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def schedule(self, call: CallId, after_s: float) -> None:
        """The call has ended: its report is due after so long. Does nothing for a call that has one, or is due."""
        await self._scripts.run("report_schedule", self._names(call), call, round(after_s * 1000))

    async def due(self, limit: int, *, hold_s: float) -> tuple[CallId, ...]:
        """Up to `limit` calls with something left to do; none of them is returned again for `hold_s`."""
        calls = await self._scripts.run("orphans", (self._keys.reports_due,), limit, round(hold_s * 1000))
        return tuple(CallId(call.decode()) for call in calls)

    async def put(self, call: CallId, report: dict[str, Any], phase: str, at: float) -> bool:
        """Keep the report and publish it in the feed. False: nothing is changed, for it has one, or was forgotten.

        In the feed it is an event that is not in the log, so its seq is 0.
        """
        echo = pack((phase, [], 0, [pack_event(Billed(report=report, at=at))], []))
        names = (*self._names(call), self._keys.state(call), self._keys.feed)
        kept = await self._scripts.run(
            "report_put", names, call, orjson.dumps(report), round(_KEPT_S * 1000), _FEED_LENGTH, echo
        )
        return bool(kept)

    async def get(self, call: CallId) -> KeptReport | None:
        """The call's report, and what is left to do with it; None when there is none here."""
        with reaching_redis():
            found: Any = await self._redis.hmget(self._keys.report(call), list(_FIELDS))
        body, tries, since, delivered, archived, dead = found
        if body is None:
            return None
        return KeptReport(
            report=orjson.loads(body),
            tries=int(tries or 0),
            since=None if since is None else float(since),
            is_delivered=delivered is not None,
            is_archived=archived is not None,
            is_dead=dead is not None,
        )

    async def is_due(self, call: CallId) -> bool:
        """Whether something is left to do for the call, a report that is not made yet included."""
        with reaching_redis():
            return await self._redis.zscore(self._keys.reports_due, call) is not None

    async def tried(self, call: CallId, at: float) -> int:
        """Count a try to deliver it, begun at `at` (epoch seconds); which one this is, from 1. 0: it is gone."""
        return int(await self._scripts.run("report_tried", (self._keys.report(call),), f"{at:.3f}"))

    async def mark(self, call: CallId, *done: str) -> None:
        """Record what needs no more work: "delivered", "archived"."""
        await self._scripts.run("report_mark", (self._keys.report(call),), *done)

    async def give_up(self, call: CallId, reason: str) -> bool:
        """Make it a dead letter; `reason` follows `LETTER`. False: it was delivered or given up before."""
        names = (self._keys.report(call), self._keys.dead)
        return bool(await self._scripts.run("report_dead", names, call, LETTER + reason, LETTERS_KEPT, BYTES_KEPT))

    async def again(self, call: CallId, after_s: float) -> None:
        """Something is left to do, after so long."""
        with reaching_redis():
            seconds, micros = await self._redis.time()
            due = int(seconds * 1000 + micros / 1000 + after_s * 1000)  # not later
            await self._redis.zadd(self._keys.reports_due, {call: due}, xx=True)

    async def settled(self, call: CallId, keep_s: float | None = None) -> None:
        """Nothing is left to do. `keep_s`: the report stays here for so long only, because the archive has it."""
        with reaching_redis():
            if keep_s is not None:
                await self._redis.pexpire(self._keys.report(call), round(keep_s * 1000))
            await self._redis.zrem(self._keys.reports_due, call)

    async def redeliver(self, call: CallId) -> bool:
        """Deliver the report anew, as if it had never been tried; False when it is not here any more."""
        with reaching_redis():
            if not await self._redis.exists(self._keys.report(call)):
                return False
            removed: Any = self._redis.hdel(self._keys.report(call), "delivered", "dead", "tries", "since")
            await removed
            await self._redis.zadd(self._keys.reports_due, {call: 0})
        return True

    async def waiting(self) -> int:
        """The number of calls with something left to do."""
        with reaching_redis():
            return int(await self._redis.zcard(self._keys.reports_due))

    def _names(self, call: CallId) -> tuple[str, str]:
        return self._keys.report(call), self._keys.reports_due
