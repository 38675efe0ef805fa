"""The methods local callers have, by name: parameters in, payload out (behaviour 10.2).

Used by both ways in, HTTP and WebSocket. Every request ends in a payload or a Refusal, also when the process goes down
in the middle of a wait; whatever else goes wrong is logged and told as a constant sentence.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from gateway.frames import Request, problem_of
from gateway.params import Continue, Dtmf, End, Initiate, Params, Speak, Start, Status
from voicecall import metrics
from voicecall.call.ids import is_call_id
from voicecall.desk import Desk
from voicecall.errors import InvalidRequest, Refusal, Unavailable
from voicecall.record import call_record

__all__ = ["Internal", "Rpc", "checked"]

_IN_FLIGHT: Final = 1024

_log = logging.getLogger(__name__)

Payload = dict[str, Any]
P = TypeVar("P", bound=Params)


class Internal(Refusal):
    """A fault of ours."""

    code = "INTERNAL"


class Rpc:
    """`answer` runs one request. After `close()` no new one is let in, and waits are given up with a stated reason."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._closed_to_new = False
        self._closing = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._methods: dict[str, tuple[type[Params], Callable[[Any], Awaitable[Payload]]]] = {
            "voicecall.initiate": (Initiate, self._initiate),
            "voicecall.start": (Start, self._initiate),
            "voicecall.continue": (Continue, self._continue),
            "voicecall.speak": (Speak, self._speak),
            "voicecall.end": (End, self._end),
            "voicecall.dtmf": (Dtmf, self._dtmf),
            "voicecall.status": (Status, self._status),
        }

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(sorted(self._methods))

    async def answer(self, request: Request) -> Payload:
        """The payload. Raises Refusal's kinds only; cancelling it ends the wait, not the call."""
        known = request.method in self._methods
        label = request.method if known else "unknown"  # a stranger's word is no metric label
        began = time.monotonic()
        try:
            payload = await self._answer(request)
        except Refusal as refusal:
            metrics.RPC.labels(label, refusal.code).inc()
            raise
        except Exception as error:
            metrics.RPC.labels(label, Internal.code).inc()
            _log.exception("request failed", extra={"method": label})
            raise Internal("internal error; the log has more") from error
        finally:
            if known:
                metrics.RPC_SECONDS.labels(label).observe(time.monotonic() - began)
        metrics.RPC.labels(label, "ok").inc()
        return payload

    async def close(self, grace_s: float) -> None:
        """Let nobody in; give those who wait `grace_s`, then tell them that the outcome is unknown."""
        self._closed_to_new = True
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            self._closing.set()

    async def _answer(self, request: Request) -> Payload:
        entry = self._methods.get(request.method)
        if entry is None:
            raise InvalidRequest("method: there is no such method")
        shape, method = entry
        params = checked(shape, request.params)
        if self._closed_to_new or self._in_flight >= _IN_FLIGHT:
            metrics.SHED.labels("rpc").inc()
            why = "the gateway is going down" if self._closed_to_new else "the gateway is busy"
            raise Unavailable(f"{why}; nothing was done, try again", retry_after_ms=1000)
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._until_closing(method(params), request)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _until_closing(self, work: Awaitable[Payload], request: Request) -> Payload:
        task = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait((task, closing), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            named = request.params.get("callId")
            call = named if isinstance(named, str) and is_call_id(named) else None
            raise Unavailable("outcome unknown: the gateway went down; ask for the status", call_id=call)
        finally:
            for left in (task, closing):
                left.cancel()
            await asyncio.gather(task, closing, return_exceptions=True)

    async def _initiate(self, params: Initiate | Start) -> Payload:
        call = await self._desk.place(
            params.to,
            params.message,
            params.mode,
            params.session_key,
            params.idempotency_key,
        )
        return {"callId": call, "initiated": True}

    async def _continue(self, params: Continue) -> Payload:
        return {"success": True, "transcript": await self._desk.continue_(params.call_id, params.message)}

    async def _speak(self, params: Speak) -> Payload:
        await self._desk.speak(params.call_id, params.message)
        return {"success": True}

    async def _end(self, params: End) -> Payload:
        await self._desk.end(params.call_id)
        return {"success": True}

    async def _dtmf(self, params: Dtmf) -> Payload:
        await self._desk.send_digits(params.call_id, params.digits)
        return {"success": True}

    async def _status(self, params: Status) -> Payload:
        name = params.call_id or params.sid
        if name is None:
            return {"found": True, "calls": [call_record(call) for call in await self._desk.live()]}
        call = await self._desk.status(name)
        return {"found": False} if call is None else {"found": True, "call": call_record(call)}


def checked(shape: type[P], params: dict[str, Any]) -> P:
    """The parameters, or InvalidRequest naming the key."""
    try:
        return shape.model_validate(params)
    except ValidationError as error:
        raise InvalidRequest(problem_of(error)) from error
