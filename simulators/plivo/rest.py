"""Plivo's REST API for calls: create, read, transfer, speak, press keys, stream, hang up, with its errors.

`requests` reads the requests; the switchboard performs them.
"""

import base64
import hmac
from typing import Any

import orjson
from aiohttp import web

from simulators.phone.line import Line
from simulators.phone.rest import Body
from simulators.phone.rest import Rest as AnyRest
from simulators.plivo.call import Call
from simulators.plivo.document import Destination
from simulators.plivo.requests import Fields, Refusal, api_id, method_from, read_dial, stream_from, url_from
from simulators.plivo.switchboard import Switchboard

__all__ = ["Rest"]

_PAGE = 20
_APPLICATION = "20000000000000001"


class Rest(AnyRest[Fields]):
    """The routes under /v1/Account/{auth_id}. Every path ends with a slash."""

    def __init__(self, switchboard: Switchboard) -> None:
        super().__init__(switchboard.services)
        self._switchboard = switchboard
        self._exchange = switchboard.exchange

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        account = "/v1/Account/{account}"
        call = account + "/Call/{call}/"
        routes = app.router
        routes.add_get(f"{account}/", self.operation("account", self._account))
        routes.add_get(account + "/Number/{number}/", self.operation("number", self._number))
        routes.add_get(account + "/Application/{application}/", self.operation("application", self._application))
        routes.add_post(f"{account}/Call/", self.operation("create", self._create))
        routes.add_get(f"{account}/Call/", self.operation("list", self._list))
        routes.add_get(call, self.operation("fetch", self._fetch))
        routes.add_post(call, self.operation("transfer", self._transfer))
        routes.add_delete(call, self.operation("hangup", self._hang_up))
        routes.add_delete(account + "/Request/{request}/", self.operation("cancel", self._cancel))
        routes.add_post(f"{call}Speak/", self.operation("speak", self._speak))
        routes.add_delete(f"{call}Speak/", self.operation("stop_speaking", self._stop_speaking))
        routes.add_post(f"{call}DTMF/", self.operation("dtmf", self._dtmf))
        routes.add_post(f"{call}Stream/", self.operation("stream", self._stream))
        routes.add_delete(f"{call}Stream/", self.operation("stop_stream", self._stop_stream))
        routes.add_delete(call + "Stream/{stream}/", self.operation("stop_stream", self._stop_stream))

    # --- hooks of the shared REST handler

    def read(self, request: web.Request, raw: bytes) -> Fields:
        del request
        if not raw:
            return {}
        try:
            fields = orjson.loads(raw)
        except orjson.JSONDecodeError as fault:
            raise Refusal(400, f"the body is not JSON: {fault}") from fault
        if not isinstance(fields, dict):
            raise Refusal(400, "the body is not a JSON object")
        return fields

    def admit(self, request: web.Request) -> None:
        account = self._exchange.auth_id
        wanted = base64.b64encode(f"{account}:{self._exchange.keys.token}".encode())
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(given.strip().encode(), wanted):
            raise Refusal(401, "authentication failed")
        if request.match_info["account"] != account:
            raise Refusal(404, "not found")

    def broken(self, status: int) -> Body:
        return Refusal(status, "too many requests" if status == 429 else "server error").body

    def named(self, request: web.Request, body: Body) -> str | None:
        made = body.get("request_uuid")
        call = self._switchboard.requested(made if isinstance(made, str) else request.match_info.get("request", ""))
        return call.sid if call is not None else request.match_info.get("call")

    # --- the operations

    def _account(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del request, fields
        return 200, {
            **api_id(),
            "auth_id": self._exchange.auth_id,
            "name": "A simulated Plivo",
            "account_type": "standard",
        }

    def _number(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        """Every number belongs to the account, and all to one application."""
        del fields
        application = f"/v1/Account/{self._exchange.auth_id}/Application/{_APPLICATION}/"
        return 200, {**api_id(), "number": request.match_info["number"], "application": application}

    def _application(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        if request.match_info["application"] != _APPLICATION:
            raise Refusal(404, "not found")
        inbound = self._switchboard.inbound
        answer = {"answer_url": inbound.answer.url, "answer_method": inbound.answer.method}
        return 200, {**api_id(), "app_id": _APPLICATION, "app_name": "simulated application", **answer}

    def _create(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del request
        calls = self._switchboard.dial(read_dial(fields))
        ids: str | list[str] = [call.request_uuid for call in calls]
        queued = self._exchange.calls_per_second > 0
        message = "call queued" if queued else "call fired" if len(calls) == 1 else "calls fired"
        return 201, {"message": message, "request_uuid": ids[0] if len(calls) == 1 else ids, **api_id()}

    def _list(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        status = request.query.get("status")
        calls = list(self._switchboard.calls.values())
        if status == "queued":
            return 200, {**api_id(), "calls": [call.request_uuid for call in calls if not call.rang and not call.over]}
        if status == "live":
            return 200, {**api_id(), "calls": [call.sid for call in calls if call.rang and not call.over]}
        return 200, {**api_id(), **_page([call for call in reversed(calls) if call.over], request)}

    def _fetch(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        """The record of an ended call; a live one is returned only for `?status=live`, or `queued`."""
        del fields
        status, name = request.query.get("status", ""), request.match_info["call"]
        call = self._switchboard.requested(name) if status == "queued" else self._switchboard.called(name)
        if call is None or call.over == bool(status) or (status == "queued" and call.rang):
            raise Refusal(404, "not found")
        return 200, {**api_id(), **call.resource()}

    def _transfer(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        call, _ = self._live(request)
        if fields.get("legs", "aleg") != "aleg":
            raise Refusal(400, "the simulator has calls of one leg: legs must be aleg")
        url = url_from(fields, "aleg_url")
        if not url:
            raise Refusal(400, "aleg_url parameter not present")
        self._switchboard.transfer(
            call, Destination(url=url, method=method_from(fields, "aleg_method"), kind="transfer")
        )
        return 202, {"message": "call transfered", "call_uuids": [call.sid], **api_id()}

    def _hang_up(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        call = self._switchboard.called(request.match_info["call"])
        if call is None or call.over:
            raise Refusal(404, "call not found")
        self._switchboard.hang_up(call, "api")
        return 204, {}

    def _cancel(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        call = self._switchboard.requested(request.match_info["request"])
        if call is None or call.over:
            raise Refusal(404, "request not found")
        self._switchboard.hang_up(call, "api")
        return 204, {}

    def _speak(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        call, _ = self._live(request)
        text = str(fields.get("text") or "")
        if not text:
            raise Refusal(400, "text parameter not present")
        self._switchboard.speak(call, text)
        return 202, {"message": "speak started", **api_id()}

    def _stop_speaking(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        call, _ = self._live(request)
        self._switchboard.stop_speaking(call)
        return 204, {}

    def _dtmf(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        call, _ = self._live(request)
        digits = str(fields.get("digits") or "")
        if not digits or set(digits) - set("0123456789*#wWABCD"):
            raise Refusal(400, "digits parameter not valid")
        call.note("digits", digits=digits)
        return 202, {"message": "digits sent", **api_id()}

    def _stream(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        call, line = self._live(request)
        if call.streaming is not None and not call.streaming.done():
            raise Refusal(400, "a stream is running on this call")
        stream_id = self._switchboard.stream(call, line, stream_from(fields))
        return 202, {"message": "audio streaming started", "stream_id": stream_id, **api_id()}

    def _stop_stream(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        call, _ = self._live(request)
        if call.streaming is None or call.streaming.done():
            raise Refusal(404, "stream not found")
        call.streaming.cancel()
        return 204, {}

    def _live(self, request: web.Request) -> tuple[Call, Line]:
        """The call in the path and its line. Raises Refusal when it has not been answered."""
        call = self._switchboard.called(request.match_info["call"])
        if call is None or call.over or call.line is None:
            raise Refusal(404, "call not found")
        return call, call.line


def _page(calls: list[Call], request: web.Request) -> dict[str, Any]:
    limit, offset = int(request.query.get("limit", _PAGE)), int(request.query.get("offset", 0))
    meta = {"limit": limit, "offset": offset, "total_count": len(calls), "next": None, "previous": None}
    return {"meta": meta, "objects": [call.resource() for call in calls[offset : offset + limit]]}
