"""A WebSocket whose writer never waits: frames go straight to the transport, and a peer that does not read is closed.

aiohttp reads, pings and closes; text frames are written here, because its `send_str` would make the one pacer of the
process wait for the slowest peer. Knows RFC 6455 framing; does not know what the text says.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from ingress.streams import MediaSocket
from voicecall import metrics

__all__ = ["CLOSING_S", "FRAME_LIMIT", "HEARTBEAT_S", "SEND_BUFFER_LIMIT", "WebSocket", "text_frame"]

FRAME_LIMIT: Final = 65_536
HEARTBEAT_S: Final = 20.0
SEND_BUFFER_LIMIT: Final = 1_048_576

CLOSING_S: Final = 2.0

_log = logging.getLogger(__name__)


def text_frame(text: str) -> bytes:
    """One unmasked, final text frame. For texts under 64 KiB."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return b"\x81\x7e" + size.to_bytes(2, "big") + payload


class WebSocket(MediaSocket):
    """A prepared `ws` on its transport. Its handler reads inside `open_until_closed` and then awaits `finish`."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._ws = ws
        self._transport = transport
        self._close_frame: tuple[int, str] | None = None
        self._reading: asyncio.Timeout | None = None

    def send(self, frames: list[str]) -> None:
        # One write for all of them: each is a system call.
        self._write(b"".join(map(text_frame, frames)))

    def close(self, code: int, reason: str) -> None:
        if self._close_frame is None:
            self._close_frame = (code, reason)
            if self._reading is not None:
                self._reading.reschedule(0)

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if self._close_frame is not None or self._ws.closed or transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > SEND_BUFFER_LIMIT:
            metrics.MEDIA_REJECTED.labels(reason="backpressure").inc()
            self.close(1013, "Backpressure: send buffer exceeded")

    @asynccontextmanager
    async def open_until_closed(self) -> AsyncIterator[None]:
        """The body ends early, wherever it waits, when `close` is or was called."""
        try:
            async with asyncio.timeout(None if self._close_frame is None else 0) as self._reading:
                yield
        except TimeoutError:
            if self._close_frame is None:
                raise
        finally:
            self._reading = None

    def pong(self, payload: bytes) -> None:
        """Answer a ping, like `send` without waiting: aiohttp's own answer would wait for a peer that does not read."""
        self._write(bytes((0x8A, len(payload))) + payload)

    async def finish(self, within_s: float = CLOSING_S) -> None:
        """Send the close frame and wait for the answer, so that the carrier does not report a broken connection.

        Only the reading task may do this: aiohttp's `close` from another task does not wait. A peer that does not
        answer in time is cut off.
        """
        code, reason = self._close_frame or (1000, "")
        self._close_frame = (code, reason)
        try:
            async with asyncio.timeout(within_s):
                await self._ws.close(code=code, message=reason.encode())
        except (TimeoutError, ConnectionError) as error:
            _log.info("media socket cut off", extra={"error": type(error).__name__})
        finally:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.abort()
