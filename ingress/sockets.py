"""A WebSocket whose writer never waits: frames go straight to the transport, and a peer that does not read is closed.

aiohttp reads and closes; text frames are written here, because its `send_str` would make the one pacer of the process
wait for the slowest peer, and pings are sent here, because its heartbeat sets a timer anew for every frame that
arrives. Knows RFC 6455 framing; does not know what the text says.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, cast

from aiohttp import WSMessage, web

from ingress.streams import MediaSocket
from voicecall import metrics
from voicecall.connections import SERVER_NAME, LimitedHandler
from voicecall.websocket_frames import FrameCheck, Receiver

__all__ = ["CLOSING_S", "FRAME_LIMIT", "HEARTBEAT_S", "SEND_BUFFER_LIMIT", "WebSocket", "text_frame"]

FRAME_LIMIT: Final = 65_536
HEARTBEAT_S: Final = 10.0
"""A peer that sent nothing in two such intervals is pinged, and cut off when it sends nothing in the next one."""

SEND_BUFFER_LIMIT: Final = 1_048_576

CLOSING_S: Final = 2.0

_SILENT: Final = 2
_PING: Final = b"\x89\x00"

_log = logging.getLogger(__name__)


def text_frame(text: str) -> bytes:
    """One unmasked, final text frame. For texts under 64 KiB."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return b"\x81\x7e" + size.to_bytes(2, "big") + payload


class WebSocket(MediaSocket):
    """The socket of one request. Its handler reads inside `open_until_closed` and then awaits `finish`."""

    def __init__(self, request: web.BaseRequest, *, heartbeat_s: float) -> None:
        self._request = request
        self._ws = web.WebSocketResponse(compress=False, max_msg_size=FRAME_LIMIT, timeout=2.0, autoping=False)
        self._ws.headers["Server"] = SERVER_NAME
        self._transport = request.transport
        self._heartbeat_s = heartbeat_s
        self._frames: FrameCheck | None = None
        self._reads_before = -1
        self._silent = 0  # intervals of the heartbeat in which nothing arrived
        self._heartbeat: asyncio.TimerHandle
        self._close_frame: tuple[int, str] | None = None
        self._reading: asyncio.Timeout | None = None

    @property
    def close_code(self) -> int | None:
        return self._ws.close_code

    async def prepare(self) -> web.WebSocketResponse:
        """Upgrade the request: its response."""
        await self._ws.prepare(self._request)
        self._frames = cast("LimitedHandler", self._request.protocol).frames
        return self._ws

    async def receive(self) -> WSMessage:
        """The next message that `receiver` did not take."""
        message = await self._ws.receive()
        if self._frames is not None:
            self._frames.read += 1
        return message

    @contextmanager
    def offering(self, receiver: Receiver) -> Iterator[None]:
        """Within this block, `receiver` is offered texts in the socket's own callback, and never out of turn."""
        if self._frames is None:
            raise RuntimeError("prepare() was not called")
        self._frames.receiver = receiver
        try:
            yield
        finally:
            self._frames.receiver = None

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
        self._beat()
        try:
            async with asyncio.timeout(None if self._close_frame is None else 0) as self._reading:
                yield
        except TimeoutError:
            if self._close_frame is None:
                raise
        finally:
            self._heartbeat.cancel()
            self._reading = None

    def _beat(self) -> None:
        """Ping a silent peer, or cut it off, and come back. Nothing of this is done for each frame."""
        reads = 0 if self._frames is None else self._frames.reads
        self._silent = self._silent + 1 if reads == self._reads_before else 0
        self._reads_before = reads
        if self._silent == _SILENT:
            self._write(_PING)
        elif self._silent > _SILENT and self._transport is not None:
            _log.info("media socket cut off", extra={"error": "no answer to a ping"})
            self._transport.abort()
        self._heartbeat = asyncio.get_running_loop().call_later(self._heartbeat_s, self._beat)

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
