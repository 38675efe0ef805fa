"""A WebSocket client for many small text messages: RFC 6455 over one asyncio transport, without a library's layers.

The media stream sends and receives fifty messages a second per call; a general client costs several times more CPU per
message. It supports no extensions, and it can abort a connection without closing it.
"""

import asyncio
import base64
import hashlib
import random
import secrets
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

__all__ = ["Closed", "Refused", "WebSocket", "connect"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_HEAD_LIMIT = 16_384
_MESSAGE_LIMIT = 1 << 22
_CLOSING_S = 2.0
_STUCK_BYTES = 1 << 18


class Refused(Exception):
    """The server answered the upgrade with something else. `status` is its HTTP status, 0 when it was not HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__(f"WebSocket upgrade refused: {status}")
        self.status = status


@dataclass(frozen=True)
class Closed:
    """How a socket ended. `clean`: with a close frame from the server; `code` is then the server's (1005: none)."""

    clean: bool
    code: int


async def connect(
    url: str, *, headers: Mapping[str, str], on_text: Callable[[bytes], None], timeout_s: float = 10.0
) -> "WebSocket":
    """Open `ws://` or `wss://`. Raises Refused, OSError or TimeoutError.

    `on_text` gets each text message as bytes, in the event loop; what it raises ends the socket.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    key = base64.b64encode(secrets.token_bytes(16))
    lines = {
        "Host": parts.netloc,
        **headers,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Version": "13",
    }
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    async with asyncio.timeout(timeout_s):
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context() if secure else None
        _, socket = await loop.create_connection(lambda: WebSocket(on_text, key), host, port, ssl=context)
        try:
            await socket.upgrade(request.encode())
        except BaseException:
            socket.abort()
            raise
    return socket


class WebSocket(asyncio.Protocol):
    """One open socket. `closed` resolves when it has ended, in any way."""

    def __init__(self, on_text: Callable[[bytes], None], key: bytes) -> None:
        self._on_text = on_text
        self._key = key
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._parts: list[bytes] = []
        self._head = True
        loop = asyncio.get_running_loop()
        self._upgraded: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[Closed] = loop.create_future()
        self._code: int | None = None
        self._closing = False
        self.unsent = 0
        """Messages dropped because the server does not read."""

    async def upgrade(self, request: bytes) -> None:
        """Send the handshake and wait for its answer."""
        if self._transport is None:
            raise Refused(0)
        self._transport.write(request)
        await self._upgraded

    def send(self, message: bytes) -> None:
        """Send a text message. It is dropped after the end, or (counted) while the server does not read."""
        transport = self._transport
        if transport is None or self._closing:
            return
        if transport.get_write_buffer_size() > _STUCK_BYTES:
            self.unsent += 1
            return
        transport.write(_frame(_TEXT, message))

    def close(self, code: int = 1000) -> None:
        """Send a close frame; a server that does not answer is aborted after two seconds."""
        if self._transport is None or self._closing:
            return
        self._closing = True
        self._transport.write(_frame(_CLOSE, struct.pack("!H", code)))
        asyncio.get_running_loop().call_later(_CLOSING_S, self.abort)

    def abort(self) -> None:
        """Abort: no close frame, nothing flushed."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's: only a cast can say what create_connection promises.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if self._head and not self._read_head():
            return
        self._read_frames()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._upgraded.done():
            self._upgraded.set_exception(exc if isinstance(exc, OSError) else Refused(0))
        if not self.closed.done():
            self.closed.set_result(Closed(self._code is not None, self._code or 1006))

    # --- reading

    def _read_head(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            if len(self._buffer) > _HEAD_LIMIT:
                self._refuse(0)
            return False
        first, *lines = head.split(b"\r\n")
        status = first.split(b" ")[1] if first.startswith(b"HTTP/1.1 ") else b"0"
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        accept = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest())
        if status != b"101" or fields.get(b"sec-websocket-accept") != accept:
            self._refuse(int(status) if status.isdigit() else 0)
            return False
        self._head = False
        self._buffer = rest
        self._upgraded.set_result(None)
        return True

    def _refuse(self, status: int) -> None:
        if not self._upgraded.done():
            self._upgraded.set_exception(Refused(status))
        self.abort()

    def _read_frames(self) -> None:
        buffer = self._buffer
        size = len(buffer)
        at = 0
        while size - at >= 2:
            length = buffer[at + 1]
            start = at + 2
            if length == 126:
                start = at + 4
                length = int.from_bytes(buffer[at + 2 : start], "big")
            elif length == 127:
                start = at + 10
                length = int.from_bytes(buffer[at + 2 : start], "big")
            elif length > 127:
                # A server must not mask.
                self._fail(1002)
                return
            if start > size or start + length > size:
                if length > _MESSAGE_LIMIT:
                    self._fail(1009)
                    return
                break
            self._frame(buffer[at], buffer[start : start + length])
            at = start + length
        self._buffer = buffer[at:] if at else buffer

    def _frame(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if first == 0x80 | _TEXT:
            self._on_text(payload)
        elif opcode in (_TEXT, _BINARY, 0):
            self._parts.append(payload)
            if first & 0x80:
                whole, self._parts = b"".join(self._parts), []
                self._on_text(whole)
        elif opcode == _PING and self._transport is not None:
            self._transport.write(_frame(_PONG, payload))
        elif opcode == _CLOSE:
            self._closed_by_server(payload)
        elif opcode != _PONG:
            self._fail(1002)

    def _closed_by_server(self, payload: bytes) -> None:
        self._code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
        if self._transport is None:
            return
        if not self._closing:
            self._closing = True
            self._transport.write(_frame(_CLOSE, payload[:2]))
        self._transport.close()

    def _fail(self, code: int) -> None:
        self.close(code)
        if self._transport is not None:
            self._transport.close()


def _frame(opcode: int, payload: bytes) -> bytes:
    """One masked frame. One exclusive-or of two big integers masks a media message in a microsecond."""
    size = len(payload)
    mask = random.getrandbits(32).to_bytes(4, "big")
    stream = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + mask + masked
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size) + mask + masked
    return struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size) + mask + masked
