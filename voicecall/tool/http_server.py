"""The HTTP server of `voicecall mcp --http`: uvicorn's, with the limits of voicecall's other servers.

uvicorn waits for ever for a request head, on any number of connections, names itself in each answer and logs a line for
what is not HTTP. Knows connections; `mcp_server` knows the protocol.
"""

import asyncio
import re
from functools import partial
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from voicecall import metrics
from voicecall.connections import HEAD_LIMIT, SERVER_NAME, ConnectionLimiter

__all__ = ["server_config"]

_CONNECTIONS: Final = 256
_PER_SENDER: Final = 128
_LOOSE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\n[ \t]")
"""Line ends and folded lines that h11 reads leniently, and other servers otherwise."""
_REQUEST_LINE: Final = re.compile(rb"[A-Z]+ /[!-~]* HTTP/1\.[01](?:\r\n|\Z)")


def server_config(app: ASGIApp, host: str, port: int, **limits: Any) -> uvicorn.Config:
    """The configuration of a server that listens on this address. `limits`: of the ConnectionLimiter, for tests."""
    limiter = ConnectionLimiter(**{"limit": _CONNECTIONS, "per_sender": _PER_SENDER, **limits})
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(_LimitedProtocol, limiter),  # type: ignore[arg-type]  # called like the class
        ws="none",
        log_level="error",
        server_header=False,
        headers=[("Server", SERVER_NAME)],
        h11_max_incomplete_event_size=HEAD_LIMIT,
    )


class _LimitedProtocol(H11Protocol):
    """One connection, counted by the limiter."""

    def __init__(self, limiter: ConnectionLimiter, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limiter = limiter
        self._admitted = False
        self._head = b""  # of the request that is arriving

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        self._admitted = self._limiter.admit(self, transport)
        if self._admitted:
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._limiter.on_closed(self)
        if self._admitted:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._admitted:
            return
        if self.conn.their_state is h11.IDLE and not self._is_strict_head(data):
            self.send_400_response("")
            return
        super().data_received(data)

    def _is_strict_head(self, data: bytes) -> bool:
        """Whether the head is written as HTTP says, and not longer than the limit, as far as it has arrived."""
        checked, self._head = max(0, len(self._head) - 3), self._head + data
        end = self._head.find(b"\r\n\r\n", checked)
        head = self._head if end < 0 else self._head[:end]
        if len(head) > HEAD_LIMIT or _LOOSE.search(head, checked) is not None:
            return False
        if end < 0:
            return True
        self._head = b""
        return _REQUEST_LINE.match(head) is not None

    def handle_events(self) -> None:
        super().handle_events()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            # Not before the body is there: it has to arrive within the same time.
            self._limiter.on_request(self)

    def on_response_complete(self) -> None:
        self._limiter.on_answered(self)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's signature; the answer is a constant
        metrics.CONNECTIONS.labels(reason="not-http").inc()
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\nServer: voicecall\r\nConnection: close\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 11\r\n\r\nBad Request"
        )
        self.transport.close()
