"""Twilio's REST API for calls: create, read, list, update, with its errors.

`requests` reads the requests; the switchboard performs them.
"""

import base64
import hmac
import time
from urllib.parse import parse_qs, parse_qsl

from aiohttp import web

from simulators.phone.rest import Body
from simulators.phone.rest import Rest as AnyRest
from simulators.twilio.call import Call
from simulators.twilio.requests import Refusal, destination_from, read_dial, time_limit_from
from simulators.twilio.resource import call_resource, page_of
from simulators.twilio.switchboard import Switchboard

__all__ = ["Rest"]

Form = dict[str, list[str]]
_BUSY = 20429
_BROKEN = 20500


class Rest(AnyRest[Form]):
    """The routes under /2010-04-01/Accounts/{Sid}."""

    def __init__(self, switchboard: Switchboard) -> None:
        super().__init__(switchboard.services)
        self._switchboard = switchboard
        self._exchange = switchboard.exchange

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        calls = "/2010-04-01/Accounts/{account}/Calls"
        account = "/2010-04-01/Accounts/{account}"
        app.router.add_get(f"{account}.json", self.operation("account", self._account))
        app.router.add_get(f"{account}/IncomingPhoneNumbers.json", self.operation("numbers", self._numbers))
        app.router.add_post(f"{calls}.json", self.operation("create", self._create))
        app.router.add_get(f"{calls}.json", self.operation("list", self._list))
        app.router.add_get(calls + "/{sid}.json", self.operation("fetch", self._fetch))
        app.router.add_post(calls + "/{sid}.json", self.operation("update", self._update))

    # --- hooks of the shared REST handler

    def read(self, request: web.Request, raw: bytes) -> Form:
        del request
        return parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)

    def admit(self, request: web.Request) -> None:
        account, token = self._exchange.account_sid, self._exchange.token
        wanted = base64.b64encode(f"{account}:{token}".encode())
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(given.strip().encode(), wanted):
            raise Refusal(401, 20003, "Authenticate")
        if request.match_info["account"] != account:
            raise Refusal(404, 20404, f"The requested resource {request.path} was not found")

    def broken(self, status: int) -> Body:
        busy = status == 429
        return Refusal(status, _BUSY if busy else _BROKEN, "Too many requests" if busy else "Server error").body

    def named(self, request: web.Request, body: Body) -> str | None:
        del request
        return body.get("sid")

    def headers(self, status: int) -> dict[str, str]:
        del status
        return {
            "Twilio-Concurrent-Requests": str(self.open + 1),
            "Twilio-Request-Id": f"RQ{time.time_ns():032x}",
        }

    # --- the operations

    def _account(self, request: web.Request, form: Form) -> tuple[int, Body]:
        del request, form
        sid = self._exchange.account_sid
        return 200, {"sid": sid, "friendly_name": "A simulated Twilio", "status": "active", "type": "Full"}

    def _numbers(self, request: web.Request, form: Form) -> tuple[int, Body]:
        """Every number belongs to the account, and all have the same settings."""
        del form
        wanted = request.query.get("PhoneNumber", "")
        voice, callback = self._switchboard.inbound.voice, self._switchboard.inbound.callback
        number = {
            "sid": f"PN{'5' * 32}",
            "account_sid": self._exchange.account_sid,
            "phone_number": wanted,
            "voice_url": voice.url,
            "voice_method": voice.method,
            "voice_fallback_url": voice.fallback_url,
            "status_callback": callback.url if callback is not None else "",
        }
        return 200, {"incoming_phone_numbers": [number] if wanted else [], "page": 0, "page_size": 50}

    def _create(self, request: web.Request, form: Form) -> tuple[int, Body]:
        del request
        order = read_dial(form)
        call = Call(
            exchange=self._exchange,
            direction="outbound-api",
            from_=order.from_,
            to=order.to,
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

    def _list(self, request: web.Request, form: Form) -> tuple[int, Body]:
        del form
        query = dict(parse_qsl(request.query_string))
        try:
            return 200, page_of(self._switchboard.calls.values(), query, request.path)
        except ValueError as fault:
            raise Refusal(400, 20001, str(fault)) from fault

    def _fetch(self, request: web.Request, form: Form) -> tuple[int, Body]:
        del form
        return 200, call_resource(self._called(request))

    def _update(self, request: web.Request, form: Form) -> tuple[int, Body]:
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
