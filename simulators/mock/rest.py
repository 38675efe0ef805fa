"""The mock carrier's REST API: dial, read, find, hang up, press keys, speak, with its errors.

`requests` reads the requests; the switchboard performs them.
"""

import hmac

import orjson
from aiohttp import web

from simulators.mock.call import Call
from simulators.mock.requests import Fields, Refusal, digits_from, prompt_from, read_dial, transfer_from
from simulators.mock.switchboard import Switchboard
from simulators.phone.rest import Body
from simulators.phone.rest import Rest as AnyRest

__all__ = ["Rest"]


class Rest(AnyRest[Fields]):
    """The routes of one account."""

    def __init__(self, switchboard: Switchboard) -> None:
        super().__init__(switchboard.services)
        self._switchboard = switchboard
        self._exchange = switchboard.exchange

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/calls", self.operation("create", self._dial))
        app.router.add_get("/find", self.operation("find", self._find))
        app.router.add_get("/calls/{leg}", self.operation("fetch", self._fetch))
        app.router.add_post("/calls/{leg}/hangup", self.operation("hangup", self._hang_up))
        app.router.add_post("/calls/{leg}/digits", self.operation("digits", self._digits))
        app.router.add_post("/calls/{leg}/hush", self.operation("hush", self._purge))
        app.router.add_post("/calls/{leg}/transfer", self.operation("transfer", self._transfer))
        app.router.add_post("/calls/{leg}/say", self.operation("say", self._say))

    # --- hooks of the shared REST handler

    def read(self, request: web.Request, raw: bytes) -> Fields:
        del request
        try:
            fields = orjson.loads(raw) if raw else {}
        except orjson.JSONDecodeError as fault:
            raise Refusal(400, "bad-json", f"the body is not JSON: {fault}") from fault
        if not isinstance(fields, dict):
            raise Refusal(400, "bad-json", "the body is not a JSON object")
        return fields

    def admit(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._exchange.secret.encode()):
            raise Refusal(401, "stranger", "send the secret as the bearer token")

    def broken(self, status: int) -> Body:
        return Refusal(status, "too-many" if status == 429 else "trouble", "come back later").body

    def named(self, request: web.Request, body: Body) -> str | None:
        given = body.get("leg")
        return given if isinstance(given, str) else request.match_info.get("leg")

    # --- the operations

    def _dial(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        """Dial. A repeated order with the same name returns the first one's leg."""
        del request
        order = read_dial(fields)
        known = self._switchboard.ordered(order.effect)
        call = known or self._switchboard.dial(order)
        return 200 if known else 201, {"leg": call.sid}

    def _find(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        call = self._switchboard.known_as(request.query.get("call", ""))
        if call is None:
            raise Refusal(404, "no-such-call", "no leg was dialled for that call")
        return 200, call.resource()

    def _fetch(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        call = self._switchboard.find(request.match_info["leg"])
        if call is None:
            raise Refusal(404, "no-such-leg", "there is no such leg")
        return 200, call.resource()

    def _hang_up(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        self._switchboard.hang_up(self._live(request), "api")
        return 200, {}

    def _digits(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        call, digits = self._up(request), digits_from(fields)
        call.note("digits", digits=digits)
        return 200, {}

    def _purge(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        del fields
        self._switchboard.purge(self._up(request))
        return 200, {}

    def _transfer(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        self._switchboard.transfer(self._up(request), transfer_from(fields))
        return 200, {}

    def _say(self, request: web.Request, fields: Fields) -> tuple[int, Body]:
        call = self._up(request)
        if call.stream is not None:
            raise Refusal(409, "streaming", "a media socket is open: say it there")
        self._switchboard.say(call, prompt_from(fields))
        return 200, {}

    def _live(self, request: web.Request) -> Call:
        call = self._switchboard.find(request.match_info["leg"])
        if call is None or call.over:
            raise Refusal(404, "no-such-leg", "there is no such leg, or it is over")
        return call

    def _up(self, request: web.Request) -> Call:
        call = self._live(request)
        if call.line is None:
            raise Refusal(409, "not-answered", "the call is not answered yet")
        return call
