"""The book of call-backs in Redis: calls to be placed later, each at most once.

A call-back waits until it is due, is being placed, and is then over: placed, cancelled, expired or failed. Each step is
a script that names the state it leaves, so that a cancelled one is not placed, and one that is placed is not cancelled.
Used by the workers, which add those of missed calls, and by the gateway, which lists, cancels and places.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, parse_e164
from voicecall.settings.model.reports import Callbacks

__all__ = ["Added", "Callback", "CallbackBook", "CallbackReason", "CallbackState", "missed_id"]

_KEPT_S: Final = 366 * 86_400.0  # one that waits; longer than any may be due ahead
_OVER_S: Final = 7 * 86_400.0


class CallbackState(StrEnum):
    WAITING = "waiting"
    PLACING = "placing"
    PLACED = "placed"  # at most one call was placed; its own record says what came of it
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # it could not be placed in time
    FAILED = "failed"  # it was refused


class CallbackReason(StrEnum):
    MISSED = "missed"
    PROMISED = "promised"


class Added(IntEnum):
    """Outcome of `add`."""

    KNOWN = 0
    ADDED = 1
    WAITS = 2  # one waits for this caller
    TOO_MANY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """`due_at`: when it is to be placed first, epoch seconds. `source`: the call that it follows from, if any.

    `call`: the call that was placed. `brief`: as `voicecall.initiate` takes it.
    """

    id: str
    number: str
    reason: CallbackReason
    due_at: float
    made_at: float
    message: str = field(repr=False)
    brief: dict[str, Any] | None = field(default=None, repr=False)
    source: str = ""
    state: CallbackState = CallbackState.WAITING
    call: str = ""
    detail: str = ""


class CallbackBook:
    """Every method raises BusUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def add(self, callback: Callback, *, most: int = 0) -> Added:
        """Put it into the book, once for its id. Of missed calls, `most` in an hour and one for a number at a time."""
        entry = {
            "number": callback.number,
            "reason": callback.reason.value,
            "dueAt": callback.due_at,
            "madeAt": callback.made_at,
            "message": callback.message,
            "brief": callback.brief,
            "source": callback.source,
        }
        names = (
            self._keys.callback(callback.id),
            self._keys.callbacks_due,
            self._keys.callbacks_all,
            self._keys.callback_of(callback.number),
            self._keys.callbacks_missed,
        )
        added = await self._scripts.run(
            "callback_add",
            names,
            callback.id,
            orjson.dumps(entry),
            round(callback.due_at * 1000),
            round(_KEPT_S * 1000),
            int(callback.reason is CallbackReason.MISSED),
            most,
        )
        return Added(added)

    async def add_missed(self, call: CallId, number: str, settings: Callbacks, now: float) -> Added | None:
        """Call a missed caller back, as configured; None for a caller without a number."""
        called = parse_e164(number)
        if called is None:
            return None
        callback = Callback(
            id=missed_id(call),
            number=called,
            reason=CallbackReason.MISSED,
            due_at=now + settings.delay_sec,
            made_at=now,
            message=settings.message,
            source=call,
        )
        return await self.add(callback, most=settings.max_per_hour)

    async def cancel_missed(self, number: str) -> bool:
        """The caller has got through: the call-back that waits for them is not needed any more."""
        with reaching_redis():
            waiting: Any = await self._redis.get(self._keys.callback_of(number))
        if waiting is None:
            return False
        found = await self.get(waiting.decode())
        return found is not None and await self.cancel(found, "the caller got through")

    async def get(self, name: str) -> Callback | None:
        """The call-back of this id; None when there is none any more."""
        with reaching_redis():
            found: Any = await self._redis.hmget(self._keys.callback(name), ["entry", "state", "call", "detail"])
        return None if found[0] is None else _callback(name, *found)

    async def list(self) -> tuple[Callback, ...]:
        """Every call-back that waits or was over within a week, oldest first."""
        with reaching_redis():
            names: Any = await self._redis.zrange(self._keys.callbacks_all, 0, -1)
        found = []
        for name in (each.decode() for each in names):
            callback = await self.get(name)
            if callback is not None:
                found.append(callback)
            else:
                with reaching_redis():
                    await self._redis.zrem(self._keys.callbacks_all, name)
        return tuple(found)

    async def due(self, limit: int, *, hold_s: float) -> tuple[str, ...]:
        """Up to `limit` that are due; none of them is returned again for `hold_s`."""
        names = await self._scripts.run("orphans", (self._keys.callbacks_due,), limit, round(hold_s * 1000))
        return tuple(name.decode() for name in names)

    async def begin(self, callback: Callback) -> bool:
        """It is being placed now. False: it was cancelled, or is over. One whose placing broke off begins again."""
        return await self._move(callback, CallbackState.PLACING, None, CallbackState.WAITING, CallbackState.PLACING)

    async def wait(self, callback: Callback, until: float, detail: str = "") -> bool:
        """It cannot be placed now; try again at `until`, epoch seconds."""
        states = (CallbackState.WAITING, CallbackState.PLACING)
        return await self._move(callback, CallbackState.WAITING, until, *states, detail=detail)

    async def close(self, callback: Callback, state: CallbackState, *, call: str = "", detail: str = "") -> bool:
        """It is over, in `state`."""
        states = (CallbackState.WAITING, CallbackState.PLACING)
        return await self._move(callback, state, None, *states, call=call, detail=detail)

    async def cancel(self, callback: Callback, detail: str = "") -> bool:
        """Never place it. False: it is being placed, or is over."""
        return await self._move(callback, CallbackState.CANCELLED, None, CallbackState.WAITING, detail=detail)

    async def drop(self, name: str) -> None:
        """Remove what is left of one that is unknown from the due ones."""
        with reaching_redis():
            await self._redis.zrem(self._keys.callbacks_due, name)

    async def forget(self, number: str) -> int:
        """Delete every call-back of this number; how many."""
        found = [each for each in await self.list() if each.number == number]
        for each in found:
            with reaching_redis():
                await self._redis.delete(self._keys.callback(each.id), self._keys.callback_of(number))
                await self._redis.zrem(self._keys.callbacks_due, each.id)
                await self._redis.zrem(self._keys.callbacks_all, each.id)
        return len(found)

    async def _move(
        self,
        callback: Callback,
        state: CallbackState,
        until: float | None,
        *leaves: CallbackState,
        call: str = "",
        detail: str = "",
    ) -> bool:
        names = (
            self._keys.callback(callback.id),
            self._keys.callbacks_due,
            self._keys.callback_of(callback.number),
        )
        moved = await self._scripts.run(
            "callback_move",
            names,
            callback.id,
            state.value,
            "" if until is None else round(until * 1000),
            round(_OVER_S * 1000),
            call,
            detail,
            *(each.value for each in leaves),
        )
        return bool(moved)


def missed_id(call: CallId) -> str:
    """The id of the only call-back that a missed call leads to."""
    return f"missed-{call}"


def _callback(name: str, entry: bytes, state: bytes, call: bytes | None, detail: bytes | None) -> Callback:
    kept = orjson.loads(entry)
    return Callback(
        id=name,
        number=kept["number"],
        reason=CallbackReason(kept["reason"]),
        due_at=kept["dueAt"],
        made_at=kept["madeAt"],
        message=kept["message"],
        brief=kept["brief"],
        source=kept["source"],
        state=CallbackState(state.decode()),
        call=(call or b"").decode(),
        detail=(detail or b"").decode(),
    )
