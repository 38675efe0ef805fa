"""A request of a local caller, from its name to its answer: may they, is it well formed, is there room; then it runs.

Used by both ways in, HTTP and WebSocket. The methods themselves are in `methods`. Every request ends in a payload or a
Refusal, also when the process goes down in the middle of a wait; whatever else goes wrong is logged and told as a
constant sentence.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from gateway.authenticator import Caller, Scope
from gateway.history import HISTORY_METHODS
from gateway.methods import CALL_METHODS, Method, Payload, Services
from gateway.rates import Rates
from voicecall import metrics
from voicecall.api.frames import Forbidden, Request, problem_of
from voicecall.api.params import Params
from voicecall.call.ids import is_call_id
from voicecall.errors import InvalidRequest, Refusal, Unavailable

__all__ = ["METHODS", "Internal", "Rpc", "checked"]

METHODS: Final[tuple[Method[Any], ...]] = (*CALL_METHODS, *HISTORY_METHODS)
"""Every method of `POST /rpc` and of the socket."""

_IN_FLIGHT: Final = 1024

_log = logging.getLogger(__name__)

P = TypeVar("P", bound=Params)


class Internal(Refusal):
    """A fault of ours."""

    code = "INTERNAL"


class Rpc:
    """`answer` runs one request. After `close()` no new one is let in, and waits are given up with a stated reason."""

    def __init__(self, services: Services, rates: Rates) -> None:
        self._services = services
        self._rates = rates
        self._closed_to_new = False
        self._closing = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._methods = {method.name: method for method in METHODS}

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(sorted(self._methods))

    def admit(self, caller: Caller, scope: Scope) -> None:
        """Count one request of this caller. Raises Forbidden when its token does not reach so far, Exhausted."""
        self._rates.take(caller.name)
        if scope not in caller.scopes:
            raise Forbidden(f"this token may not do that: it needs the scope {scope.value}; use the full token")

    async def answer(self, request: Request, caller: Caller) -> Payload:
        """The payload. Raises Refusal's kinds only; cancelling it ends the wait, not the call."""
        known = request.method in self._methods
        label = request.method if known else "unknown"  # a stranger's word is no metric label
        began = time.monotonic()
        try:
            payload = await self._answer(request, caller)
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

    async def _answer(self, request: Request, caller: Caller) -> Payload:
        method = self._methods.get(request.method)
        self.admit(caller, Scope.READ if method is None else method.scope)
        if method is None:
            raise InvalidRequest("method: there is no such method")
        params = checked(method.params, request.params)
        if self._closed_to_new or self._in_flight >= _IN_FLIGHT:
            metrics.SHED.labels("rpc").inc()
            why = "the gateway is going down" if self._closed_to_new else "the gateway is busy"
            raise Unavailable(f"{why}; nothing was done, try again", retry_after_ms=1000)
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._until_closing(method.does(self._services, params), request)
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


def checked(shape: type[P], params: dict[str, Any]) -> P:
    """The parameters, or InvalidRequest naming the key."""
    try:
        return shape.model_validate(params)
    except ValidationError as error:
        raise InvalidRequest(problem_of(error)) from error
