"""ngrok's cloud and agent in one: forwards requests for the public host to the local port, and the replies back.

Forwards HTTP whole, and WebSockets frame by frame in both directions. The public host stays in `Host`; the client's
address, scheme and host are in forwarding headers. Does not interpret what it forwards.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import ClientConnectionError, ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType, web
from multidict import CIMultiDict

from simulators.service import port_of

__all__ = ["forwarding"]

_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host"}
    | {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol"}
)


@asynccontextmanager
async def forwarding(upstream: str, public_host: str, port: int) -> AsyncIterator[int]:
    """Forward from loopback to `upstream`; returns the port that represents the public URL."""
    async with ClientSession(connector=TCPConnector(limit=0), auto_decompress=False) as http:

        async def handle(request: web.Request) -> web.StreamResponse:
            headers = _headers(request, public_host)
            url = upstream + request.raw_path
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await _socket(http, request, url, headers)
            try:
                async with http.request(
                    request.method, url, data=await request.read(), headers=headers, allow_redirects=False
                ) as answer:
                    body = await answer.read()
                    kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
                    return web.Response(status=answer.status, body=body, headers=CIMultiDict(kept))
            except ClientConnectionError:
                return web.Response(status=502, headers={"ngrok-error-code": "ERR_NGROK_8012"})

        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield port_of(runner)
        finally:
            await runner.cleanup()


def _headers(request: web.Request, public_host: str) -> CIMultiDict[str]:
    headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in _HOP)
    headers["Host"] = public_host
    headers["X-Forwarded-For"] = request.remote or ""
    headers["X-Forwarded-Host"] = public_host
    headers["X-Forwarded-Proto"] = "https"
    return headers


async def _socket(http: ClientSession, request: web.Request, url: str, headers: CIMultiDict[str]) -> web.StreamResponse:
    async with http.ws_connect(url, headers=headers, autoping=False, max_msg_size=0) as inner:
        outer = web.WebSocketResponse(autoping=False, max_msg_size=0, compress=False)
        await outer.prepare(request)
        ways = [asyncio.create_task(_pour(outer, inner)), asyncio.create_task(_pour(inner, outer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        code = inner.close_code or outer.close_code or 1000
        await outer.close(code=code)
        await inner.close(code=code)
    return outer


Socket = ClientWebSocketResponse | web.WebSocketResponse


async def _pour(source: Socket, drain: Socket) -> None:
    with suppress(ConnectionError):
        async for message in source:
            match message.type:
                case WSMsgType.TEXT:
                    await drain.send_str(message.data)
                case WSMsgType.BINARY:
                    await drain.send_bytes(message.data)
                case WSMsgType.PING:
                    await drain.ping(message.data)
                case WSMsgType.PONG:
                    await drain.pong(message.data)
                case _:
                    return
