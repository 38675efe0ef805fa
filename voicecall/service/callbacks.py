"""Call-backs, for the gateway: ask for one, list and cancel them, and place those that are due.

Each is placed by `CallService.initiate` under an idempotency key of its own: at most one phone call, however often a
gateway dies in between, and whichever gateway goes on. Every gateway runs the placing; Redis gives each one that is due
to one of them.
"""

import asyncio
import hashlib
import logging
import random
import secrets
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.api.brief import Brief
from voicecall.api.limits import LONGEST_KEY
from voicecall.bus.callbacks import Callback, CallbackBook, CallbackReason, CallbackState
from voicecall.bus.clock import RedisClock
from voicecall.call.events import Mode
from voicecall.call.ids import CallId, RequestId
from voicecall.errors import BusError, Exhausted, InvalidRequest, NotFound, Refusal, Unavailable
from voicecall.metrics import CALLBACKS
from voicecall.reports.quiet import allowed_at
from voicecall.service.calls import CallService
from voicecall.service.requests import CallRequest
from voicecall.settings import Settings

__all__ = ["CallbackService"]

_log = logging.getLogger(__name__)

_POLL_S: Final = 1.0
_BATCH: Final = 8
_HOLD_S: Final = 120.0  # longer than a call takes to be placed
_AGAIN_S: Final = 15.0
_LATE_S: Final = 60.0  # of a client's clock, and of a time written to the minute
_FARTHEST_S: Final = 31 * 86_400.0


class CallbackService:
    """`run()` places those that are due. The other methods raise subclasses of Refusal only."""

    def __init__(self, redis: Redis, calls: CallService, settings: Settings) -> None:
        self._book = CallbackBook(redis)
        self._clock = RedisClock(redis)
        self._calls = calls
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()

    async def list(self) -> list[dict[str, Any]]:
        """Those that wait and those of the last week, oldest first."""
        try:
            return [_facts(each) for each in await self._book.list()]
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error

    async def add(
        self,
        to: str,
        message: str,
        *,
        at: float | None = None,
        brief: Brief | None = None,
        source: str = "",
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Ask for one; once for each key. Raises InvalidRequest, as placing it now would."""
        if not self._settings.callbacks.enabled:
            raise InvalidRequest("call-backs are off; set callbacks.enabled to true")
        if idempotency_key is not None and (not idempotency_key.strip() or len(idempotency_key) > LONGEST_KEY):
            raise InvalidRequest(f"idempotencyKey must be 1 to {LONGEST_KEY} characters")
        number = _request(to, message, brief).to_event(self._settings, RequestId("check")).to
        try:
            await self._clock.calibrate()
            now = self._clock.now()
            if at is not None and at < now - _LATE_S:
                raise InvalidRequest("at has passed; give a time to come, or leave it out to mean now")
            due = allowed_at(max(now, now if at is None else at), number, self._settings.callbacks)
            if due > now + _FARTHEST_S:
                raise InvalidRequest("at is more than a month ahead")
            callback = Callback(
                id=_name(idempotency_key),
                number=number,
                reason=CallbackReason.PROMISED,
                due_at=due,
                made_at=now,
                message=message,
                brief=None if brief is None else brief.model_dump(mode="json", by_alias=True, exclude_defaults=True),
                source=source,
            )
            await self._book.add(callback)
            kept = await self._book.get(callback.id) or callback
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error
        return {"callbackId": kept.id, "dueAt": round(kept.due_at * 1000)}

    async def cancel(self, name: str) -> bool:
        """False for one that is being placed, or is over. Raises NotFound."""
        try:
            callback = await self._book.get(name)
            if callback is None:
                raise NotFound("there is no such call-back; `voicecall.callbacks` lists them")
            cancelled = await self._book.cancel(callback)
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error
        if cancelled:
            CALLBACKS.labels("cancelled").inc()
        return cancelled

    async def run(self) -> None:
        """Place those that are due, until cancelled; while Redis does not answer, try again."""
        if not self._settings.callbacks.enabled:
            await asyncio.Event().wait()
        try:
            while True:
                await asyncio.sleep(_POLL_S * random.uniform(0.8, 1.2))
                try:
                    await self.poll()
                except BusError as error:
                    _log.warning("poll of call-backs failed", extra={"error": str(error)})
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def poll(self) -> None:
        """Begin to place those that are due. Raises BusUnavailable."""
        free = _BATCH - len(self._tasks)
        for name in await self._book.due(free, hold_s=_HOLD_S) if free > 0 else ():
            task = asyncio.create_task(self._guarded(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def place(self, name: str) -> None:
        """Place it, put it off, or give it up. Raises BusError: it stays due."""
        callback = await self._book.get(name)
        if callback is None:
            await self._book.drop(name)
            return
        await self._clock.calibrate()
        now, settings = self._clock.now(), self._settings.callbacks
        first = allowed_at(callback.due_at, callback.number, settings)
        allowed = allowed_at(max(now, first), callback.number, settings)
        if now > first + settings.window_minutes * 60:
            await self._close(
                callback, CallbackState.EXPIRED, detail=callback.detail or "it could not be placed in time"
            )
        elif allowed > now:
            await self._book.wait(callback, allowed, "quiet hours")
        elif await self._book.begin(callback):
            await self._initiate(callback, now)

    async def _initiate(self, callback: Callback, now: float) -> None:
        brief = None if callback.brief is None else Brief.model_validate(callback.brief)
        request = _request(callback.number, callback.message, brief)
        try:
            call = await self._calls.initiate(request, idempotency_key=f"callback {callback.id}")
        except (Exhausted, Unavailable) as refusal:
            # No room, no worker, or no answer: the key makes another try harmless.
            await self._book.wait(callback, now + _AGAIN_S, refusal.message)
        except Refusal as refusal:
            await self._close(callback, CallbackState.FAILED, call=refusal.call_id or "", detail=refusal.message)
        else:
            await self._close(callback, CallbackState.PLACED, call=call)

    async def _close(self, callback: Callback, state: CallbackState, *, call: str = "", detail: str = "") -> None:
        if await self._book.close(callback, state, call=call, detail=detail):
            CALLBACKS.labels(state.value).inc()
            facts = {"callback": callback.id, "state": state.value, "reason": callback.reason.value}
            _log.info("call-back is over", extra={**facts, **({"call_id": CallId(call)} if call else {})})

    async def _guarded(self, name: str) -> None:
        try:
            await self.place(name)
        except BusError as error:
            _log.warning("call-back waits", extra={"callback": name, "error": str(error)})
        except Exception:  # noqa: BLE001  a defect with one of them; logged, and tried again
            _log.exception("call-back failed", extra={"callback": name})


def _request(to: str, message: str, brief: Brief | None) -> CallRequest:
    return CallRequest(
        to=to,
        message=message,
        mode=Mode.CONVERSATION,
        brief=None if brief is None else brief.for_call(),
        voicemail_message="" if brief is None else brief.voicemail_message.strip(),
        max_duration_s=None if brief is None else brief.max_duration_seconds,
    )


def _name(key: str | None) -> str:
    return secrets.token_hex(12) if key is None else f"key-{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def _facts(callback: Callback) -> dict[str, Any]:
    facts = {
        "callbackId": callback.id,
        "to": callback.number,
        "reason": callback.reason.value,
        "state": callback.state.value,
        "dueAt": round(callback.due_at * 1000),
        "madeAt": round(callback.made_at * 1000),
        "sourceCallId": callback.source,
        "callId": callback.call,
        "detail": callback.detail,
    }
    return {key: value for key, value in facts.items() if value != ""}
