"""One request, from its method's name to its payload: rate, scope, parameters, capacity, handler.

Used by the HTTP route and by the sockets. The handlers are in `methods`. Every request ends in a payload or a Refusal,
also when the process shuts down while it waits; any other exception is logged and reported as a constant message.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from gateway.authenticator import Principal
from gateway.methods import HANDLERS, Payload, Services
from gateway.rate_limiter import RateLimiter
from voicecall import metrics
from voicecall.api.errors import Forbidden, Internal
from voicecall.api.frames import Request, problem_of
from voicecall.api.methods import METHODS
from voicecall.api.params import Params
from voicecall.api.scopes import Scope
from voicecall.call.ids import is_call_id
from voicecall.errors import InvalidRequest, Refusal, Unavailable

__all__ = ["Rpc", "validated"]

_IN_FLIGHT: Final = 1024

_log = logging.getLogger(__name__)

_SHED = metrics.SHED.labels("rpc")

P = TypeVar("P", bound=Params)


class Rpc:
    """`answer` runs one request. After `close()` new requests are refused and waiting ones end with a reason."""

    def __init__(self, services: Services, rates: RateLimiter) -> None:
        self._services = services
        self._rates = rates
        self._is_draining = False
        self._closing = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._methods = {method.name: method for method in METHODS}

    def admit(self, principal: Principal, scope: Scope) -> None:
        """Count one request. Raises Forbidden when the token lacks the scope, Exhausted above its rate."""
        self._rates.take(principal.name)
        if scope not in principal.scopes:
            raise Forbidden(f"this token may not do that: it needs the scope {scope.value}; use the full token")

    async def answer(self, request: Request, principal: Principal) -> Payload:
        """The payload. Raises subclasses of Refusal only; cancelling it ends the wait, not the call."""
        known = request.method in self._methods
        label = request.method if known else "unknown"  # untrusted text is no metric label
        started = time.monotonic()
        try:
            payload = await self._answer(request, principal)
        except Refusal as refusal:
            metrics.RPC.labels(label, refusal.code).inc()
            raise
        except Exception as error:
            metrics.RPC.labels(label, Internal.code).inc()
            _log.exception("request failed", extra={"method": label})
            raise Internal("internal error; the log has more") from error
        finally:
            if known:
                metrics.RPC_SECONDS.labels(label).observe(time.monotonic() - started)
        metrics.RPC.labels(label, "ok").inc()
        return payload

    async def close(self, grace_s: float) -> None:
        """Refuse new requests; after `grace_s`, end the waiting ones with an unknown outcome."""
        self._is_draining = True
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            self._closing.set()

    async def _answer(self, request: Request, principal: Principal) -> Payload:
        method = self._methods.get(request.method)
        self.admit(principal, Scope.READ if method is None else method.scope)
        if method is None:
            raise InvalidRequest("method: there is no such method")
        params = validated(method.params, request.params)
        if self._is_draining or self._in_flight >= _IN_FLIGHT:
            _SHED.inc()
            why = "the gateway is shutting down" if self._is_draining else "the gateway is busy"
            raise Unavailable(f"{why}; nothing was done, try again", retry_after_ms=1000)
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._until_closing(HANDLERS[method.name](self._services, params), request)
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
            raise Unavailable("outcome unknown: the gateway shut down; ask for the status", call_id=call)
        finally:
            for left in (task, closing):
                left.cancel()
            await asyncio.gather(task, closing, return_exceptions=True)


def validated(shape: type[P], params: dict[str, Any]) -> P:
    """The parameters. Raises InvalidRequest, naming the key."""
    try:
        return shape.model_validate(params)
    except ValidationError as error:
        raise InvalidRequest(problem_of(error)) from error
