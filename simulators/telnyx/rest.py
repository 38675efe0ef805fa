"""Telnyx's REST API: dial, read, command, with its errors and its rate headers.

`requests` and `commands` read the requests; the switchboard performs them.
"""

import hmac
from typing import Any

import orjson
from aiohttp import web

from simulators.phone.rest import Body
from simulators.phone.rest import Rest as AnyRest
from simulators.telnyx.call import Call
from simulators.telnyx.refusal import BAD_VALUE, NOT_FOUND, STRANGER, TOO_MANY, UNEXPECTED, Refusal
from simulators.telnyx.requests import Fields, read_dial
from simulators.telnyx.switchboard import Switchboard

__all__ = ["Rest"]

_LIMIT = 1000


class Rest(AnyRest[Fields]):
    """The routes under /v2."""

    def __init__(self, switchboard: Switchboard) -> None:
        super().__init__(switchboard.services)
        self._switchboard = switchboard
        self._exchange = switchboard.exchange

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/v2/calls", self.operation("create", self._dial))
        app.router.add_get("/v2/calls/{sid}", self.operation("fetch", self._fetch))
        app.router.add_get("/v2/connections/{connection}/active_calls", self.operation("list", self._list))
        app.router.add_get(
            "/v2/call_control_applications/{connection}", self.operation("application", self._application)
        )
        # One route for all commands: fault rules distinguish them by `action` and `path`.
        app.router.add_post("/v2/calls/{sid}/actions/{action}", self.operation("command", self._command))

    # --- hooks of the shared REST handler

    def read(self, request: web.Request, raw: bytes) -> Fields:
        if not raw:
            return _of(request, {})
        try:
            fields = orjson.loads(raw)
        except orjson.JSONDecodeError as fault:
            raise Refusal(400, BAD_VALUE, f"The body is not JSON: {fault}") from fault
        if not isinstance(fields, dict):
            raise Refusal(400, BAD_VALUE, "The body is not a JSON object.")
        return _of(request, fields)

    def admit(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode(), self._exchange.api_key.encode()
        ):
            raise Refusal(401, STRANGER, "Could not understand the provided credentials.")

    def broken(self, status: int) -> Body:
        busy = status == 429
        detail = "You have exceeded the rate limit." if busy else "An unexpected error occured."
        return Refusal(status, TOO_MANY if busy else UNEXPECTED, detail).body

    def named(self, request: web.Request, body: Body) -> str | None:
        data = body.get("data")
        named = data.get("call_control_id") if isinstance(data, dict) else None
        return named or request.match_info.get("sid")

    def headers(self, status: int) -> dict[str, str]:
        left = 0 if status == 429 else _LIMIT - self.open
        return {"x-ratelimit-limit": str(_LIMIT), "x-ratelimit-remaining": str(left), "x-ratelimit-reset": "1"}

    # --- the operations

    def _dial(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del request
        before = self._switchboard.done_before("dial", fields)
        if before is not None:
            return 200, before
        order = read_dial(fields, self._exchange.connection_id, self._exchange.inbound)
        call = self._switchboard.dial(order)
        shown = ("record_type", "call_control_id", "call_leg_id", "call_session_id", "is_alive", "client_state")
        # Dialling is asynchronous: the API reports that the call is not alive yet.
        data = {name: value for name, value in call.resource().items() if name in shown} | {"is_alive": False}
        answer = {"data": data}
        self._switchboard.remember("dial", fields, answer)
        return 200, answer

    def _fetch(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        call = self._switchboard.find(request.match_info["sid"])
        if call is None:
            raise Refusal(404, NOT_FOUND, f"There is no call {request.match_info['sid']}.")
        return 200, {"data": call.resource()}

    def _list(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        if request.match_info["connection"] != self._exchange.connection_id:
            raise Refusal(404, NOT_FOUND, "There is no such connection.")
        found = [_listed(call) for call in self._switchboard.live()]
        return 200, {"data": found, "meta": {"total_items": len(found), "cursors": {"after": None, "before": None}}}

    def _application(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        if request.match_info["connection"] != self._exchange.connection_id:
            raise Refusal(404, NOT_FOUND, "There is no such application.")
        routes = self._exchange.inbound
        data = {
            "record_type": "call_control_application",
            "id": self._exchange.connection_id,
            "application_name": "A simulated Telnyx",
            "active": True,
            "webhook_event_url": routes.url,
            "webhook_event_failover_url": routes.failover_url,
            "webhook_api_version": "2",
        }
        return 200, {"data": data}

    def _command(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        sid, action = request.match_info["sid"], request.match_info["action"]
        before = self._switchboard.done_before(sid, fields)
        if before is not None:
            return 200, before
        given = {name: value for name, value in fields.items() if name != "action"}
        self._switchboard.command(sid, action, given)
        answer = {"data": {"result": "ok"}}
        self._switchboard.remember(sid, fields, answer)
        return 200, answer


def _of(request: web.Request, fields: dict[str, Any]) -> Fields:
    """The fields, with the command's name from the path added."""
    action = request.match_info.get("action")
    return fields if action is None else {**fields, "action": action}


def _listed(call: Call) -> dict[str, Any]:
    shown = ("record_type", "call_control_id", "call_leg_id", "call_session_id", "call_duration", "client_state")
    return {name: value for name, value in call.resource().items() if name in shown}
