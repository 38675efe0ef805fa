"""A hand-written WebSocket client like Twilio's media server, of which every byte may be wrong.

The socket attacks use it. Knows RFC 6455 and Twilio's frames; blocking, because a test does one thing at a time.
"""

import base64
import os
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Self

import orjson

from tests.contract.attacks.requests import ACCOUNT
from tests.contract.attacks.target import Answer, Target, read_answer

__all__ = ["FRAME", "PING", "RawSocket", "connected", "handshake"]

FRAME = base64.b64encode(b"\x7f" * 160).decode()

PING = 9

_TEXT, _CLOSE, _PONG = 1, 8, 10
_BROKEN = 1006


def handshake(target: str = "/voice/stream", *, method: str = "GET", headers: Mapping[str, str] | None = None) -> bytes:
    lines = {
        "Host": "calls.example",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **(headers or {}),
    }
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n"


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    """A connection to a server on this machine, from this address of it."""
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


class RawSocket:
    """One media socket; a context manager. `stream` is the name in its frames."""

    def __init__(self, target: Target, stream: str = "MZ1", **options: Any) -> None:
        self.stream = stream
        self._socket = target.connect()
        self._data = b""
        self._socket.sendall(handshake(**options))
        self.answer: Answer = read_answer(self._socket)

    def __enter__(self) -> Self:
        assert self.answer.status == 101
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def socket(self) -> socket.socket:
        return self._socket

    def send(self, *messages: Mapping[str, Any]) -> None:
        """Send Twilio's frames; each names `stream` unless it names another."""
        self.send_frames(*(orjson.dumps({"streamSid": self.stream, **message}) for message in messages))

    def send_frames(self, *frames: bytes, opcode: int = _TEXT) -> None:
        """Send all at once. A close that happens meanwhile is seen by the next read."""
        try:
            self._socket.sendall(b"".join(_frame(opcode, frame) for frame in frames))
        except ConnectionError:
            return

    def flood(self, frame: bytes, opcode: int, seconds: float) -> int:
        """Send copies of a frame as fast as the other side takes them; gives the number sent."""
        pieces, sent, until = _frame(opcode, frame) * 10_000, 0, time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                self._socket.sendall(pieces)
            except ConnectionError:
                return sent
            sent += 10_000
        return sent

    def send_raw(self, data: bytes) -> None:
        """Send these bytes, whatever they are."""
        self._socket.sendall(data)

    def start(self, call: str, token: str, leg: str) -> None:
        start = {
            "streamSid": self.stream,
            "accountSid": ACCOUNT,
            "callSid": leg,
            "tracks": ["inbound"],
            "customParameters": {"callId": call, "token": token},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"}, {"event": "start", "start": start})

    def speak(self, *payloads: str, chunk: object = "1") -> None:
        self.send(
            *(
                {"event": "media", "media": {"track": "inbound", "chunk": chunk, "timestamp": "5", "payload": payload}}
                for payload in payloads
            )
        )

    def is_open(self) -> bool:
        """Whether it still answers a ping."""
        self.send_frames(b"?", opcode=PING)
        while True:
            opcode, _ = self._read()
            if opcode in (_PONG, _CLOSE):
                return opcode == _PONG

    def closed(self) -> int:
        """Read to the end: the close code, or 1006 when the connection broke."""
        while True:
            opcode, payload = self._read()
            if opcode == _CLOSE:
                return int(struct.unpack("!H", payload[:2])[0]) if payload else _BROKEN

    def _read(self) -> tuple[int, bytes]:
        """One frame of the ingress: short ones only, and never masked."""
        head = self._take(2)
        if len(head) < 2:
            return _CLOSE, b""
        size = head[1]
        if size == 126:
            size = struct.unpack("!H", self._take(2))[0]
        return head[0] & 15, self._take(size)

    def _take(self, count: int) -> bytes:
        while len(self._data) < count:
            try:
                piece = self._socket.recv(65_536)
            except ConnectionError:
                piece = b""
            if not piece:
                return b""
            self._data += piece
        taken, self._data = self._data[:count], self._data[count:]
        return taken


def _frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame; its mask is zero, which is a valid mask."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload
