"""The test phone: its page, and its sockets, which are passed on to the exchange of test phones (docs/phone.md).

A browser reaches the gateway only, which asks for the token and keeps foreign pages out; the exchange asks for the
carrier's secret, which no browser has. Knows frames of text, not what they say.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.authenticator import Authenticator
from gateway.first_frame import REFUSED_S, ConnectSockets, connected
from gateway.web import assets
from voicecall.api.errors import Forbidden
from voicecall.api.frames import Request, result_frame
from voicecall.api.scopes import Scope
from voicecall.connections import sender
from voicecall.errors import Unavailable
from voicecall.settings import Deployment, Settings
from voicecall.slots import Slots

__all__ = ["PhoneRoutes"]

_LARGEST: Final = 65_536
_HEARTBEAT_S: Final = 10.0
_OPEN: Final = aiohttp.ClientTimeout(total=3.0)
_OFF: Final = (
    "the test phone is off; `voicecall dev` without a configuration has one, and docs/phone.md says which"
    " configurations have. Elsewhere set VOICECALL_PHONE_URL to the exchange of test phones"
)

_log = logging.getLogger(__name__)


class PhoneRoutes:
    """`GET /phone`, and `GET /phone/line`, the socket of one tab."""

    def __init__(
        self, settings: Settings, deployment: Deployment, authenticator: Authenticator, waiting: Slots
    ) -> None:
        self._url = deployment.phone_url
        self._secret = deployment.secret(settings.capabilities) or ""
        self._authenticator = authenticator
        about = "this is the socket of the page /phone\n"
        self._sockets = ConnectSockets(authenticator, waiting, largest=_LARGEST, about=about)
        self._http: aiohttp.ClientSession | None = None

    def routes(self) -> list[web.RouteDef]:
        """Off loopback without an exchange there is no page."""
        if not self._url and not self._authenticator.is_loopback:
            return []
        return [
            web.get("/phone", self._page),
            web.get("/phone/line", self._line),
        ]

    async def close(self) -> None:
        await self._sockets.close()
        if self._http is not None:
            await self._http.close()

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return self._sockets.refused(request) or assets.page("phone", request, microphone=True)

    async def _line(self, request: web.Request) -> web.StreamResponse:
        async def use(ws: web.WebSocketResponse, frame: Request) -> None:
            self._admit(frame, request)
            async with await self._exchange() as exchange:
                await ws.send_str(result_frame(frame.id, {"type": "hello-ok"}).decode())
                await exchange.send_str(_hello(frame.params))
                await _join(ws, exchange)

        return await self._sockets.serve(request, use)

    def _admit(self, frame: Request, request: web.Request) -> None:
        """Raises Refusal: a test phone places calls and reads what is said, so it needs the scope to act, and TLS."""
        principal = connected(frame, self._authenticator, sender(request.remote))
        if Scope.WRITE not in principal.scopes:
            raise Forbidden(f"this token may not do that: it needs the scope {Scope.WRITE.value}; use the full token")
        if not self._authenticator.is_loopback and urlsplit(request.headers.get("Origin", "")).scheme != "https":
            raise Forbidden("the test phone needs https:// where the gateway is not on loopback")
        if not self._url:
            raise Unavailable(_OFF)

    async def _exchange(self) -> aiohttp.ClientWebSocketResponse:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        headers = {"Authorization": f"Bearer {self._secret}"}
        try:
            async with asyncio.timeout(_OPEN.total):
                return await self._http.ws_connect(
                    f"{self._url}/tabs", headers=headers, max_msg_size=_LARGEST, heartbeat=_HEARTBEAT_S
                )
        except aiohttp.WSServerHandshakeError as error:
            why = f"the exchange of test phones refuses this gateway (HTTP {error.status}); give both the same secret"
            raise Unavailable(why) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("exchange does not answer", extra={"error": type(error).__name__})
            raise Unavailable("the exchange of test phones does not answer", retry_after_ms=1000) from error


def _hello(params: dict[str, Any]) -> str:
    """The first frame for the exchange: without the token."""
    return orjson.dumps({"event": "connect", **{name: params.get(name) for name in ("device", "held", "got")}}).decode()


async def _join(ws: web.WebSocketResponse, exchange: aiohttp.ClientWebSocketResponse) -> None:
    """Pass texts on in both directions until either side closes; the other is closed with its code."""
    ways = [asyncio.create_task(_pass_on(ws, exchange)), asyncio.create_task(_pass_on(exchange, ws))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    code = exchange.close_code if exchange.closed and not ws.closed else None
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(REFUSED_S):
            await ws.close(code=code or WSCloseCode.GOING_AWAY)


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _pass_on(source: Socket, target: Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
