"""The HTTP server at our public address, with the manners aiohttp leaves to its users: limits and deadlines.

A connection costs its sender nothing and us a descriptor, so each gets little time to say something (attacks 26-28):
a whole request head within `FIRST_HEAD_S` of connecting, the next one within `BETWEEN_S`. When the house is full,
whoever has been silent longest goes. Knows connections; what is asked on them is for `front` to know.
"""

import asyncio
from typing import Any, Final

from aiohttp import web

from ingress.client_ip import InFlight, sender
from voicecall import metrics

__all__ = ["BETWEEN_S", "FIRST_HEAD_S", "SERVER_NAME", "ConnectionLimiter", "LimitedServer"]

FIRST_HEAD_S: Final = 10.0
BETWEEN_S: Final = 75.0
"""Longer than proxies keep a connection to us: whoever closes first while the other writes loses a request."""

SERVER_NAME: Final = "voicecall"

_SWEEP_S: Final = 1.0


class ConnectionLimiter:
    """Counts connections and watches the silent ones. `limit`: in all; `per_sender`: from one sender.

    A sender named in `unlimited` (a proxy in front of us) may use up all of them.
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
        self._silent: dict[LimitedHandler, float] = {}  # until when; oldest silence first
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def open(self) -> int:
        return len(self._keys)

    def admit(self, connection: "LimitedHandler", peer: str | None) -> bool:
        """Take a new connection in; may close another for it."""
        key = sender(peer)
        if len(self._keys) >= self._limit and not self._make_room():
            metrics.CONNECTIONS.labels(reason="full").inc()
            return False
        if key not in self._unlimited and not self._counts.enter(key):
            metrics.CONNECTIONS.labels(reason="sender").inc()
            return False
        self._keys[connection] = key
        self._listen(connection, self._first_head_s)
        return True

    def gone(self, connection: "LimitedHandler") -> None:
        key = self._keys.pop(connection, None)
        self._silent.pop(connection, None)
        if key is not None and key not in self._unlimited:
            self._counts.leave(key)

    def speaks(self, connection: Any) -> None:
        """A request has arrived on it: no deadline until `answered`."""
        self._silent.pop(connection, None)

    def answered(self, connection: Any) -> None:
        """The next request may come."""
        if connection in self._keys:
            self._listen(connection, BETWEEN_S)

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _listen(self, connection: "LimitedHandler", seconds: float) -> None:
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
        self.gone(connection)
        connection.force_close()
        if transport is not None:
            # `close` would first wait for a peer that does not read.
            transport.abort()


class LimitedHandler(web.RequestHandler):
    """One connection."""

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
        self._limiter.gone(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it would tell what was wrong
    ) -> web.StreamResponse:
        """What is not HTTP gets a constant answer: no version, no echo of what was sent (attack 91)."""
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
