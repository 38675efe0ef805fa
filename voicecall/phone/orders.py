"""The exchange's REST API, as docs/adding-a-carrier.md has it: dial, find, hang up, press keys, speak.

A number that is no test phone's, and a leg that is not of this exchange, belong to the carrier behind it, if there is
one: `upstream`. Every request needs the secret as bearer token.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp import web

from voicecall.bearer import token_in
from voicecall.phone.exchange import Exchange, Order
from voicecall.phone.leg import Leg, LegState, Prompt

__all__ = ["Orders", "guarded"]

_E164: Final = re.compile(r"\+[1-9]\d{6,14}\Z")
_DIGITS: Final = re.compile(r"[0-9*#A-DwWpP,]{1,64}\Z")
_LONGEST_TEXT: Final = 4_000
_LONGEST_S: Final = 86_400
_TIMEOUT: Final = aiohttp.ClientTimeout(total=8.0)

Fields = Mapping[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message}


def guarded(secret: str, handler: Handler) -> Handler:
    """The handler, for those who have the secret."""

    async def checked(request: web.Request) -> web.StreamResponse:
        given = token_in({name.lower(): value for name, value in request.headers.items()})
        if not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
            return _json(401, {"code": "stranger", "message": "send the secret as the bearer token"})
        return await handler(request)

    return checked


class Orders:
    """`upstream`: base URL of the carrier behind this one; "" for none, and then every number is a test phone's."""

    def __init__(self, exchange: Exchange, http: aiohttp.ClientSession, *, secret: str, upstream: str) -> None:
        self._exchange = exchange
        self._http = http
        self._secret = secret
        self._upstream = upstream.rstrip("/")

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/calls", self._guarded(self._dial)),
            web.get("/find", self._guarded(self._find)),
            web.get("/calls/{leg}", self._guarded(self._look_up)),
            web.post("/calls/{leg}/hangup", self._guarded(self._hang_up)),
            web.post("/calls/{leg}/digits", self._guarded(self._digits)),
            web.post("/calls/{leg}/hush", self._guarded(self._stop_prompt)),
            web.post("/calls/{leg}/say", self._guarded(self._say)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def answered(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except _Refused as refused:
                return _json(refused.status, refused.body)

        return guarded(self._secret, answered)

    async def _dial(self, request: web.Request) -> web.StreamResponse:
        fields = await _fields(request)
        if self._upstream and fields.get("to") != self._exchange.numbers.phone:
            return await self._pass_on(request)
        leg, is_new = self._exchange.dial(_order(fields))
        return _json(201 if is_new else 200, {"leg": leg.id})

    async def _find(self, request: web.Request) -> web.StreamResponse:
        leg = self._exchange.dialled_for(request.query.get("call", ""))
        if leg is None and self._upstream:
            return await self._pass_on(request)
        if leg is None:
            raise _Refused(404, "no-such-call", "no leg was dialled for that call")
        return _json(200, _report(leg))

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        leg = self._exchange.leg(request.match_info["leg"])
        if leg is None:
            return await self._elsewhere(request)
        return _json(200, _report(leg))

    async def _hang_up(self, request: web.Request) -> web.StreamResponse:
        leg = self._exchange.leg(request.match_info["leg"])
        if leg is None:
            return await self._elsewhere(request)
        leg.end("hangup-bot")
        return _json(200, {})

    async def _digits(self, request: web.Request) -> web.StreamResponse:
        leg = self._exchange.leg(request.match_info["leg"])
        if leg is None:
            return await self._elsewhere(request)
        digits = (await _fields(request)).get("digits")
        if not isinstance(digits, str) or not _DIGITS.match(digits):
            raise _Refused(422, "bad-digits", "digits are 1 to 64 of 0-9 * # A-D w W p P ,")
        _up(leg).show_digits(digits)
        return _json(200, {})

    async def _stop_prompt(self, request: web.Request) -> web.StreamResponse:
        leg = self._exchange.leg(request.match_info["leg"])
        if leg is None:
            return await self._elsewhere(request)
        _up(leg).stop_prompt()
        return _json(200, {})

    async def _say(self, request: web.Request) -> web.StreamResponse:
        leg = self._exchange.leg(request.match_info["leg"])
        if leg is None:
            return await self._elsewhere(request)
        if _up(leg).streams:
            raise _Refused(409, "streaming", "a media socket is open: say it there")
        leg.say(_prompt(await _fields(request)))
        return _json(200, {})

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        if self._upstream:
            return await self._pass_on(request)
        raise _Refused(404, "no-such-leg", "there is no such leg")

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        """Let the carrier behind this one answer. Its failures are passed on too, as 502."""
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        try:
            async with self._http.request(
                request.method,
                f"{self._upstream}{request.raw_path}",
                data=await request.read(),
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
            ) as reply:
                return web.Response(status=reply.status, body=await reply.read(), content_type="application/json")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return _json(502, {"code": "upstream", "message": "the carrier behind the exchange does not answer"})


def _order(fields: Fields) -> Order:
    for name in ("to", "from"):
        if not _E164.match(_text(fields, name)):
            raise _Refused(422, "bad-number", f"{name} is not a phone number such as +15550001111")
    if urlsplit(_text(fields, "webhookUrl")).scheme not in {"http", "https"}:
        raise _Refused(422, "bad-url", "webhookUrl is not an http(s) address")
    return Order(
        call=_text(fields, "call"),
        effect=_text(fields, "effect"),
        to=fields["to"],
        from_=fields["from"],
        ring_timeout_s=_seconds(fields, "ringTimeoutS"),
        time_limit_s=_seconds(fields, "timeLimitS"),
        webhook_url=fields["webhookUrl"],
        detects=fields.get("detectMachine") is True,
    )


def _prompt(fields: Fields) -> Prompt:
    utterance, listens = fields.get("utterance"), fields.get("listens")
    if type(utterance) is not int or type(listens) is not bool:
        raise _Refused(422, "bad-field", "utterance must be a number, listens true or false")
    text = _text(fields, "text")[:_LONGEST_TEXT]
    token = fields.get("turnToken")
    return Prompt(text=text, listens=listens, utterance=utterance, turn_token=token if isinstance(token, str) else "")


def _up(leg: Leg) -> Leg:
    if leg.is_over:
        raise _Refused(404, "no-such-leg", "the call is over")
    if leg.state is not LegState.UP:
        raise _Refused(409, "not-answered", "the call is not answered yet")
    return leg


def _report(leg: Leg) -> Fields:
    if leg.is_over:
        return {"leg": leg.id, "status": "ended", "reason": leg.reason}
    return {"leg": leg.id, "status": "alive"}


async def _fields(request: web.Request) -> Fields:
    try:
        fields = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise _Refused(400, "bad-json", "the body is not a JSON object")
    return fields


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _Refused(422, "bad-field", f"{name} must be a text")
    return value


def _seconds(fields: Fields, name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_S:
        raise _Refused(422, "bad-field", f"{name} must be seconds, at most a day")
    return float(value)


def _json(status: int, body: Fields) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
