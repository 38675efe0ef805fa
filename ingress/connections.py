"""aiohttp's HTTP server with what it leaves to its users: limits on connections and deadlines for silent ones.

A connection costs its sender nothing and this process a descriptor (attacks 26-28). Each must send a whole request head
within `FIRST_HEAD_S` of connecting, and the next one within `BETWEEN_S`. At the limit, the connection that has been
silent longest is closed for a new one. Knows connections; `server` knows the requests on them.
"""

import asyncio
from typing import Any, Final

from aiohttp import web

from ingress.client_ip import InFlight, sender
from voicecall import metrics

__all__ = ["BETWEEN_S", "FIRST_HEAD_S", "SERVER_NAME", "ConnectionLimiter", "LimitedHandler", "LimitedServer"]

FIRST_HEAD_S: Final = 10.0
BETWEEN_S: Final = 75.0
"""Longer than proxies keep an idle connection: if this side closed it while a proxy writes, a request would be lost."""

SERVER_NAME: Final = "voicecall"

_SWEEP_S: Final = 1.0


class ConnectionLimiter:
    """Counts connections and closes silent ones. `limit`: in all; `per_sender`: from one sender.

    A sender in `unlimited` (a trusted proxy) may use all of them.
    """

    def __init__(
        self,
        *,
        limit: int,
        per_sender: int,
        unlimited: frozenset[str] = frozenset(),
        first_head_s: float = FIRST_HEAD_S,
    ) -> None:
        self._limit = limit
        self._first_head_s = first_head_s
        self._unlimited = unlimited
        self._counts = InFlight(per_sender)
        self._keys: dict[LimitedHandler, str] = {}
        self._silent: dict[LimitedHandler, float] = {}  # deadline of each silent connection, oldest first
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def open(self) -> int:
        return len(self._keys)

    def admit(self, connection: "LimitedHandler", peer: str | None) -> bool:
        """Whether to accept a new connection; may close a silent one for it."""
        key = sender(peer)
        if len(self._keys) >= self._limit and not self._make_room():
            metrics.CONNECTIONS.labels(reason="full").inc()
            return False
        if key not in self._unlimited and not self._counts.enter(key):
            metrics.CONNECTIONS.labels(reason="sender").inc()
            return False
        self._keys[connection] = key
        self._expect(connection, self._first_head_s)
        return True

    def on_closed(self, connection: "LimitedHandler") -> None:
        key = self._keys.pop(connection, None)
        self._silent.pop(connection, None)
        if key is not None and key not in self._unlimited:
            self._counts.leave(key)

    def on_request(self, connection: Any) -> None:
        """A request has arrived: the connection has no deadline until `on_answered`."""
        self._silent.pop(connection, None)

    def on_answered(self, connection: Any) -> None:
        """The request is answered: the next one has to arrive within `BETWEEN_S`."""
        if connection in self._keys:
            self._expect(connection, BETWEEN_S)

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _expect(self, connection: "LimitedHandler", seconds: float) -> None:
        self._silent[connection] = asyncio.get_running_loop().time() + seconds
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [silent for silent, until in self._silent.items() if until <= now]:
            self._close(connection, "silent")
        if self._silent:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep)

    def _make_room(self) -> bool:
        longest = next(iter(self._silent), None)
        if longest is None:
            return False
        self._close(longest, "room")
        return True

    def _close(self, connection: "LimitedHandler", reason: str) -> None:
        metrics.CONNECTIONS.labels(reason=reason).inc()
        transport = connection.transport
        self.on_closed(connection)
        connection.force_close()
        if transport is not None:
            # `close` would wait for a peer that does not read.
            transport.abort()


class LimitedHandler(web.RequestHandler):
    """One connection, counted by the limiter."""

    __slots__ = ("_limiter",)

    def __init__(self, manager: web.Server, limiter: ConnectionLimiter, **options: Any) -> None:
        super().__init__(manager, **options)
        self._limiter = limiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        if self._limiter.admit(self, peer[0] if isinstance(peer, tuple) else None):
            super().connection_made(transport)
        elif isinstance(transport, asyncio.Transport):
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._limiter.on_closed(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002  aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  aiohttp's signature; the text would reveal internals
    ) -> web.StreamResponse:
        """Answer what is not HTTP with a constant text: no version, no echo of the request (attack 91)."""
        metrics.WEBHOOKS_REJECTED.labels(reason="not-http" if status == 400 else "failed").inc()
        if status >= 500:
            self.log_exception("request failed", exc_info=exc)
        answer = web.Response(
            status=status,
            text="Bad Request" if status == 400 else "Internal Server Error",
            headers={"Server": SERVER_NAME},
        )
        answer.force_close()
        return answer


class LimitedServer(web.Server):
    """Makes a `LimitedHandler` for each connection. aiohttp calls it as the protocol factory."""

    def __init__(self, handler: Any, limiter: ConnectionLimiter, **options: Any) -> None:
        super().__init__(handler, **options)
        self.limiter = limiter

    def __call__(self) -> web.RequestHandler:
        return LimitedHandler(self, self.limiter, loop=asyncio.get_running_loop(), **self._kwargs)
