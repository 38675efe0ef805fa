"""aiohttp's HTTP server with what it leaves to its users: limits on connections, request heads and silent senders.

A connection costs its sender nothing and this process a descriptor (attacks 26-28). Each must send a whole request head
of at most `HEAD_LIMIT` bytes within `FIRST_HEAD_S` of connecting, and the next one within `BETWEEN_S`. At a limit, the
connection that has been silent longest is closed for the new one. Ingress, gateway, health servers and MCP server use
the same limiter. Knows connections; the handlers know the requests on them.
"""

import asyncio
import resource
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, cast

from aiohttp import HttpVersion10, StreamReader, web
from aiohttp.http_websocket import WebSocketReader

from voicecall import metrics
from voicecall.proper_http import REASONS, refusal_status
from voicecall.websocket_frames import FrameCheck

__all__ = [
    "BETWEEN_S",
    "FIRST_HEAD_S",
    "HEAD_LIMIT",
    "SERVER_NAME",
    "ConnectionLimiter",
    "LimitedHandler",
    "LimitedRunner",
    "LimitedServer",
    "sender",
]

FIRST_HEAD_S: Final = 10.0
BETWEEN_S: Final = 75.0
"""Longer than proxies keep an idle connection: if this side closed it while a proxy writes, a request would be lost."""

HEAD_LIMIT: Final = 32_768
"""Bytes of one request line with its headers."""

SERVER_NAME: Final = "voicecall"

_SWEEP_S: Final = 1.0
_LINGER_S: Final = 0.5
_PIECE: Final = 4096  # bytes that are parsed at once, so that a head is refused before it is stored
_BAD_REQUEST: Final = (
    b"HTTP/1.1 400 Bad Request\r\nServer: voicecall\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 11\r\n\r\nBad Request"
)
_UNKNOWN: Final = "?"


@lru_cache(maxsize=4096)
def sender(address: str | None) -> str:
    """The key by which a peer address is limited. All that is not an address shares one key, and so one limit.

    An IPv4 address mapped into IPv6 is the same sender, and so is every address of one IPv6 /64, because one customer
    owns all of it (attack 74).
    """
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return _UNKNOWN
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


class ConnectionLimiter:
    """Counts connections and closes silent ones. `limit`: in all; `per_sender`: from one sender.

    At either limit a new connection replaces the one that has been silent longest, of all or of its sender; it is
    refused when none is silent. A sender in `unlimited` (a trusted proxy) may use all of them. `limit` is never more
    than three quarters of the descriptors that this process may open.
    """

    def __init__(
        self,
        *,
        limit: int,
        per_sender: int,
        unlimited: frozenset[str] = frozenset(),
        first_head_s: float = FIRST_HEAD_S,
    ) -> None:
        self._limit = min(limit, _descriptors() * 3 // 4)
        self._per_sender = per_sender
        self._first_head_s = first_head_s
        self._unlimited = unlimited
        self._open: dict[Any, tuple[str, asyncio.BaseTransport]] = {}
        self._counts: dict[str, int] = {}
        self._silent: dict[Any, float] = {}  # deadline of each silent connection; silent longest first
        self._silent_of: dict[str, dict[Any, None]] = {}  # the same, by sender
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def open(self) -> int:
        return len(self._open)

    def show(self) -> None:
        """Show in the metrics how many connections are open, of how many."""
        metrics.measure_capacity("connections", lambda: self.open, self._limit)

    def admit(self, connection: object, transport: asyncio.BaseTransport) -> bool:
        """Whether to accept a new connection; may close a silent one for it."""
        peer = transport.get_extra_info("peername")
        key = sender(peer[0] if isinstance(peer, tuple) else None)
        if key not in self._unlimited and self._counts.get(key, 0) >= self._per_sender:
            metrics.CONNECTIONS.labels(reason="sender").inc()
            if not self._make_room(self._silent_of.get(key)):
                return False
        elif len(self._open) >= self._limit:
            room = self._make_room(self._silent)
            metrics.CONNECTIONS.labels(reason="room" if room else "full").inc()
            if not room:
                return False
        self._open[connection] = (key, transport)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._expect(connection, self._first_head_s)
        return True

    def on_closed(self, connection: object) -> None:
        known = self._open.pop(connection, None)
        if known is None:
            return
        key = known[0]
        self._speaks(connection, key)
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def on_request(self, connection: object) -> None:
        """A request has arrived: the connection has no deadline until `on_answered`."""
        known = self._open.get(connection)
        if known is not None:
            self._speaks(connection, known[0])

    def on_answered(self, connection: object) -> None:
        """The request is answered: the next one has to arrive within `BETWEEN_S`."""
        if connection in self._open:
            self._expect(connection, BETWEEN_S)

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _expect(self, connection: object, seconds: float) -> None:
        self._silent[connection] = asyncio.get_running_loop().time() + seconds
        self._silent_of.setdefault(self._open[connection][0], {})[connection] = None
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _speaks(self, connection: object, key: str) -> None:
        self._silent.pop(connection, None)
        of_sender = self._silent_of.get(key, {})
        of_sender.pop(connection, None)
        if not of_sender:
            self._silent_of.pop(key, None)

    def _sweep(self) -> None:
        self._sweeper = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [silent for silent, until in self._silent.items() if until <= now]:
            metrics.CONNECTIONS.labels(reason="silent").inc()
            self._cut(connection)
        if self._silent:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep)

    def _make_room(self, silent: "dict[Any, float] | dict[Any, None] | None") -> bool:
        longest = next(iter(silent or ()), None)
        if longest is None:
            return False
        self._cut(longest)
        return True

    def _cut(self, connection: object) -> None:
        transport = self._open[connection][1]
        self.on_closed(connection)
        _abort(transport)


def _abort(transport: asyncio.BaseTransport) -> None:
    """Close at once: `close` would wait for a peer that does not read."""
    # uvloop's transports have the methods of asyncio.Transport and are no instances of it.
    cast("asyncio.Transport", transport).abort()


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


class LimitedHandler(web.RequestHandler):
    """One connection, counted by the limiter; its WebSocket frames are checked before aiohttp reads them."""

    __slots__ = ("_body", "_head_size", "_limiter", "frames")

    def __init__(self, manager: web.Server, limiter: ConnectionLimiter, **options: Any) -> None:
        super().__init__(manager, **options)
        self._limiter = limiter
        self._head_size = 0
        self._body: StreamReader | None = None  # of the last request
        self.frames: FrameCheck | None = None
        """The check of this connection's WebSocket frames, once it is one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._limiter.admit(self, transport):
            super().connection_made(transport)
        else:
            _abort(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._limiter.on_closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._payload_parser is not None:  # WebSocket frames
            super().data_received(data)
            return
        for at in range(0, len(data) or 1, _PIECE):
            if self._close or self._force_close:
                return
            if self._upgraded:
                super().data_received(data[at:])
                return
            self._count_head(data[at : at + _PIECE])

    def _count_head(self, piece: bytes) -> None:
        """Parse a piece; refuse a head that goes on beyond the limit. aiohttp limits each header, not their sum."""
        in_head = self._body is None or self._body.is_eof()
        requests = self._request_count
        super().data_received(piece)
        if self._request_count > requests:
            self._head_size = 0
            self._body = self._messages[-1][1]
        elif in_head and not self._buffer_paused:
            self._head_size += len(piece)
            if self._head_size > HEAD_LIMIT:
                metrics.CONNECTIONS.labels(reason="head-size").inc()
                self._refuse()

    def _refuse(self) -> None:
        """Send the constant 400, unless an answer is due before it, and close; what still arrives is not parsed."""
        transport = self.transport
        if transport is None or self._current_request is not None or self._messages:
            self.force_close()
            return
        transport.write(_BAD_REQUEST)
        self.close()
        # A connection that is closed with unread bytes is reset, and its sender would not get the answer.
        asyncio.get_running_loop().call_later(_LINGER_S, transport.abort)

    def set_parser(self, parser: WebSocketReader, *callback: Any, **options: Any) -> None:
        self.frames = FrameCheck(parser)
        super().set_parser(self.frames, *callback, **options)  # type: ignore[arg-type]  # has the same two methods

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002  aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  aiohttp's signature; the text would reveal internals
    ) -> web.StreamResponse:
        """Answer what is not HTTP with a constant text: no version, no echo of the request (attack 91).

        Nothing of such a request is logged: its head may hold a token.
        """
        if status >= 500:
            metrics.CONNECTIONS.labels(reason="failed").inc()
            self.log_exception("request failed", exc_info=exc)
        return _refusal(status) if status == 400 else _constant(status, "Internal Server Error")


def _refusal(status: int) -> web.Response:
    """The constant answer to what is no proper request; nothing of it is repeated or logged."""
    metrics.CONNECTIONS.labels(reason="not-http").inc()
    return _constant(status, REASONS[status])


def _constant(status: int, text: str) -> web.Response:
    answer = web.Response(status=status, text=text, headers={"Server": SERVER_NAME})
    answer.force_close()
    return answer


class LimitedServer(web.Server):
    """Makes a `LimitedHandler` for each connection. aiohttp calls it as the protocol factory."""

    def __init__(self, handler: Any, limiter: ConnectionLimiter, **options: Any) -> None:
        async def counted(request: web.BaseRequest) -> web.StreamResponse:
            limiter.on_request(request.protocol)
            try:
                if request.version < HttpVersion10:
                    return _refusal(400)
                answer: web.StreamResponse = await handler(request)
                return answer
            finally:
                limiter.on_answered(request.protocol)

        super().__init__(counted, **options)
        self.limiter = limiter

    def __call__(self) -> web.RequestHandler:
        return LimitedHandler(self, self.limiter, loop=asyncio.get_running_loop(), **self._kwargs)


class LimitedRunner(web.AppRunner):
    """aiohttp's runner of an application, on a `LimitedServer`, for the servers beside the public one.

    The application gets no request that two servers could read differently (attack 103), and no compressed body: the
    clients of these servers send none, and aiohttp raises what it finds in one while it discards the body.
    """

    __slots__ = ("_limiter",)

    def __init__(self, app: web.Application, limiter: ConnectionLimiter, **options: Any) -> None:
        super().__init__(app, **options)
        self._limiter = limiter

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        options = {name: value for name, value in self._kwargs.items() if name != "handler_cancellation"}
        return LimitedServer(
            _checking(made.request_handler),
            self._limiter,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            auto_decompress=False,
            **options,
        )

    async def cleanup(self) -> None:
        await super().cleanup()
        self._limiter.close()


def _checking(handler: Any) -> Any:
    async def checked(request: web.BaseRequest) -> web.StreamResponse:
        status = refusal_status(request.headers.items())
        if status is not None:
            return _refusal(status)
        answer: web.StreamResponse = await handler(request)
        return answer

    return checked
