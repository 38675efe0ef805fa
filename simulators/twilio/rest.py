"""Twilio's REST door for calls: create, read, list, update, with its errors, and with its bad days when asked for.

Knows HTTP and mischief. What a request means is read in `dialling`; what it does is done by the switchboard.
"""

import asyncio
import base64
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import orjson
from aiohttp import web

from simulators.phone.mischief import Rule
from simulators.twilio.call import Call
from simulators.twilio.dialling import Refusal, destination_from, read_dialling, time_limit_from
from simulators.twilio.resource import call_resource, page_of
from simulators.twilio.switchboard import Switchboard

__all__ = ["Rest"]

Form = dict[str, list[str]]
Operation = Callable[[web.Request, Form], tuple[int, dict[str, Any]]]
_BUSY = 20429
_BROKEN = 20500


class Rest:
    """The routes under /2010-04-01/Accounts/{Sid}."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._exchange = switchboard.exchange
        self._open = 0

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        calls = "/2010-04-01/Accounts/{account}/Calls"
        app.router.add_post(f"{calls}.json", self._door("create", self._create))
        app.router.add_get(f"{calls}.json", self._door("list", self._list))
        app.router.add_get(calls + "/{sid}.json", self._door("fetch", self._fetch))
        app.router.add_post(calls + "/{sid}.json", self._door("update", self._update))

    # --- the door: who, which bad day, and the evidence

    def _door(self, name: str, operation: Operation) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            at, clock = time.time(), time.monotonic()
            form = parse_qs((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)
            facts = {**{field: values[-1] for field, values in form.items()}, "op": name, "path": request.path}
            rule = self._exchange.mischief.take("rest", facts)
            self._open += 1
            try:
                status, body = await self._answer(request, form, operation, rule)
            finally:
                self._open -= 1
            self._exchange.ledger.write(
                "rest",
                op=name,
                started_at=at,
                ms=round((time.monotonic() - clock) * 1000, 2),
                method=request.method,
                path=request.path_qs,
                form=form,
                status=status,
                answer=body if isinstance(body, dict) else body.decode(),
                call_sid=body.get("sid") if isinstance(body, dict) else None,
                mischief=rule.do if rule is not None else None,
            )
            if rule is not None and rule.do == "cut":
                _cut(request)
            raw = orjson.dumps(body) if isinstance(body, dict) else body
            headers = {
                "Twilio-Concurrent-Requests": str(self._open + 1),
                "Twilio-Request-Id": f"RQ{time.time_ns():032x}",
            }
            return web.Response(status=status, body=raw, headers=headers, content_type="application/json")

        return handle

    async def _answer(
        self, request: web.Request, form: Form, operation: Operation, rule: Rule | None
    ) -> tuple[int, dict[str, Any] | bytes]:
        """The true answer, or what a bad day makes of it, with or without the deed."""
        if rule is None:
            return self._do(request, form, operation)
        if rule.do == "slow" and rule.when == "before":
            await asyncio.sleep(rule.ms / 1000)
        true: tuple[int, dict[str, Any]] = (0, {})
        if rule.when == "after" or rule.do == "slow":
            true = self._do(request, form, operation)
        if rule.do == "slow":
            if rule.when == "after":
                await asyncio.sleep(rule.ms / 1000)
            return true
        # The bad answer of a request that took effect names its call in the ledger: the checkers must be able to join.
        sid = true[1].get("sid")
        if sid is not None:
            self._exchange.ledger.write("rest.lost_reply", call_sid=sid, do=rule.do)
        if rule.do == "garbage":
            return 200, b'{"sid": "CA'
        code = _BUSY if rule.status == 429 else _BROKEN
        return rule.status, Refusal(rule.status, code, "Too many requests" if code == _BUSY else "Server error").body

    def _do(self, request: web.Request, form: Form, operation: Operation) -> tuple[int, dict[str, Any]]:
        try:
            self._admit(request)
            return operation(request, form)
        except Refusal as refusal:
            return refusal.status, refusal.body

    def _admit(self, request: web.Request) -> None:
        account, token = self._exchange.account_sid, self._exchange.token
        wanted = base64.b64encode(f"{account}:{token}".encode())
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(given.strip().encode(), wanted):
            raise Refusal(401, 20003, "Authenticate")
        if request.match_info["account"] != account:
            raise Refusal(404, 20404, f"The requested resource {request.path} was not found")

    # --- the operations

    def _create(self, request: web.Request, form: Form) -> tuple[int, dict[str, Any]]:
        del request
        order = read_dialling(form)
        call = Call(
            self._exchange,
            "outbound-api",
            order.from_,
            order.to,
            persona=self._switchboard.persona(order.to),
            destination=order.destination,
            callback=order.callback,
            ring_timeout_s=order.ring_timeout_s,
            time_limit_s=order.time_limit_s,
            send_digits=order.send_digits,
            machine_detection=order.machine_detection,
            amd_callback=order.amd_callback,
        )
        self._switchboard.place(call)
        return 201, call_resource(call)

    def _list(self, request: web.Request, form: Form) -> tuple[int, dict[str, Any]]:
        del form
        query = dict(parse_qsl(request.query_string))
        try:
            return 200, page_of(self._switchboard.calls.values(), query, request.path)
        except ValueError as fault:
            raise Refusal(400, 20001, str(fault)) from fault

    def _fetch(self, request: web.Request, form: Form) -> tuple[int, dict[str, Any]]:
        del form
        return 200, call_resource(self._called(request))

    def _update(self, request: web.Request, form: Form) -> tuple[int, dict[str, Any]]:
        call = self._called(request)
        if call.over:
            raise Refusal(400, 21220, f"Call is not in-progress. Cannot redirect. It is {call.status}.")
        wanted = form.get("Status", [""])[-1]
        limit = time_limit_from(form)
        destination = None if wanted else destination_from(form)
        if wanted not in ("", "completed", "canceled"):
            raise Refusal(400, 20001, f"Status {wanted!r} is not 'completed' or 'canceled'")
        if (wanted == "canceled" or destination is not None) and (call.line is None) != (wanted == "canceled"):
            raise Refusal(400, 21220, f"Invalid call state: {call.status}")
        if limit is not None:
            call.limit(limit)
        if wanted:
            self._switchboard.hang_up(call, "api")
        elif destination is not None:
            self._switchboard.redirect(call, destination)
        return 200, call_resource(call)

    def _called(self, request: web.Request) -> Call:
        call = self._switchboard.calls.get(request.match_info["sid"])
        if call is None:
            raise Refusal(404, 20404, f"The requested resource {request.path} was not found")
        return call


def _cut(request: web.Request) -> None:
    """Drop the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
