"""The REST API shared by all carriers: authentication, faults and ledger lines around each operation.

An operation is a plain function from request to status and JSON; each carrier defines its own. The handler around it
refuses, delays, cuts, garbles and records, the same for every carrier.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

import orjson
from aiohttp import web

from simulators.phone.faults import Rule
from simulators.phone.services import Services

__all__ = ["Body", "Refusal", "Rest"]

Body = dict[str, Any]
"""The JSON of a response; an empty one is sent without a body."""

F = TypeVar("F", bound=Mapping[str, Any])


class Refusal(Exception):
    """The carrier refuses: an HTTP status and its error document."""

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


class Rest(ABC, Generic[F]):
    """Wraps operations into handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.open = 0
        """Requests in progress."""

    # --- what a carrier adds

    @abstractmethod
    def read(self, request: web.Request, raw: bytes) -> F:
        """The fields of a request, of any encoding."""

    @abstractmethod
    def admit(self, request: web.Request) -> None:
        """Raise Refusal if the request is not authenticated."""

    @abstractmethod
    def broken(self, status: int) -> Body:
        """The error document of a fault."""

    @abstractmethod
    def named(self, request: web.Request, body: Body) -> str | None:
        """The call that a request was about, from its response or its path."""

    def headers(self, status: int) -> dict[str, str]:
        """Headers of this carrier's responses."""
        del status
        return {}

    # --- the handler

    def operation(
        self, name: str, operation: Callable[[web.Request, F], tuple[int, Body]]
    ) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
        """A handler for an operation; `name` identifies it to fault rules (`op`) and in the ledger."""

        async def handle(request: web.Request) -> web.Response:
            at, clock = time.time(), time.monotonic()
            self.open += 1
            rule: Rule | None = None
            form: Mapping[str, Any] = {}
            try:
                fields = self.read(request, await request.read())
                form = fields
                rule = self._services.faults.take("rest", _facts(fields, request, name))
                status, body = await self._answer(request, fields, operation, rule)
            except Refusal as refusal:
                status, body = refusal.status, refusal.body
            finally:
                self.open -= 1
            self._services.ledger.write(
                "rest",
                op=name,
                started_at=at,
                ms=round((time.monotonic() - clock) * 1000, 2),
                method=request.method,
                path=request.path_qs,
                form=form,
                status=status,
                answer=body if isinstance(body, dict) else body.decode(),
                call_sid=self.named(request, body) if isinstance(body, dict) else None,
                faults=rule.do if rule is not None else None,
            )
            if rule is not None and rule.do == "cut" and request.transport is not None:
                request.transport.abort()
            return self._response(status, body)

        return handle

    def _response(self, status: int, body: Body | bytes) -> web.Response:
        headers = self.headers(status)
        if status == 204:
            return web.Response(status=status, headers=headers)
        raw = orjson.dumps(body) if isinstance(body, dict) else body
        return web.Response(status=status, body=raw, headers=headers, content_type="application/json")

    async def _answer(
        self,
        request: web.Request,
        fields: F,
        operation: Callable[[web.Request, F], tuple[int, Body]],
        rule: Rule | None,
    ) -> tuple[int, Body | bytes]:
        """The response of the operation, or the one a fault makes of it, with or without the operation's effect."""
        if rule is None:
            return self._do(request, fields, operation)
        if rule.do == "slow" and rule.when == "before":
            await asyncio.sleep(rule.ms / 1000)
        true: tuple[int, Body] = (0, {})
        if rule.when == "after" or rule.do == "slow":
            true = self._do(request, fields, operation)
        if rule.do == "slow":
            if rule.when == "after":
                await asyncio.sleep(rule.ms / 1000)
            return true
        # The ledger names the call of a request that took effect although its response failed, so that checks can match
        # them.
        sid = self.named(request, true[1])
        if true[0] and sid is not None:
            self._services.ledger.write("rest.lost_reply", call_sid=sid, do=rule.do)
        if rule.do == "garbage":
            return 200, b'{"sid": "CA'
        return rule.status, self.broken(rule.status)

    def _do(
        self, request: web.Request, fields: F, operation: Callable[[web.Request, F], tuple[int, Body]]
    ) -> tuple[int, Body]:
        try:
            self.admit(request)
            return operation(request, fields)
        except Refusal as refusal:
            return refusal.status, refusal.body


def _facts(fields: Mapping[str, Any], request: web.Request, name: str) -> dict[str, str]:
    """The fields that fault rules match: as text, the last of a repeated one, the operation and the path."""
    text = {field: str(value[-1] if isinstance(value, list) and value else value) for field, value in fields.items()}
    return {**text, "op": name, "path": request.path}
