"""A check of WebSocket frames on their way to aiohttp's reader: masked, not too many at once, not in endless fragments.

`connections` puts one before each reader. aiohttp accepts unmasked frames, and reads pings and empty fragments as fast
as they arrive, so that a peer without a token could keep the event loop busy. A refused frame is replaced by one that
the reader refuses, which closes the socket with 1002. Knows the frame heads of RFC 6455, no payload.

It also knows when nothing waits for the task that reads the socket. Then a receiver may take whole texts at once, in
the callback of the socket: the way through aiohttp's queue to a task costs 5 us more (bench/RESULTS.md).
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp._websocket.helpers import websocket_mask  # private, and the only unmasking in C that is installed

__all__ = ["AT_ONCE", "CONTROL_BURST", "FRAGMENTS", "FrameCheck", "Reader", "Receiver"]

AT_ONCE: Final = 512
"""Frames in one read of the socket, 256 KiB at most: ten seconds of audio, more than a media socket may send."""

FRAGMENTS: Final = 64
"""Frames of one message before its last one."""

CONTROL_BURST: Final = 300
"""Pings, pongs and closes at once."""

_CONTROL_PER_S: Final = 10.0
_NO_FRAME: Final = b"\xff\x80\x00\x00\x00\x00"  # reserved bits and an unknown opcode
_MASKED: Final = 0x80
_LAST: Final = 0x80
_TEXT: Final = 0x81
_SHORT: Final = 125
_OFFERED: Final = 8


class Reader(Protocol):
    def feed_eof(self) -> None: ...

    def feed_data(self, data: bytes, /) -> tuple[bool, bytes]: ...


Receiver = Callable[[bytearray], bool]
"""Takes the payload of a text; False: it did not, so that the reader gets it."""


class FrameCheck:
    """Passes frames on to `reader`, until the first that breaks a rule.

    `receiver` is offered the whole texts at the beginning of what arrives while no message waits, so none out of turn.
    For this, what reads the messages of `reader` adds each to `read`. `reads` counts the reads of the socket.
    """

    def __init__(self, reader: Reader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._clock = clock
        self._left = 0  # bytes that the frame still has
        self._head = b""  # a frame head that has not arrived whole
        self._fragments = 0
        self._control = float(CONTROL_BURST)
        self._counted_at = clock()
        self._refused = False
        self._between = True  # no frame is unfinished, and none was refused
        self._passed = 0  # messages that `reader` got whole
        self.read = 0
        self.reads = 0
        self.receiver: Receiver | None = None

    def feed_eof(self) -> None:
        self._reader.feed_eof()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """As aiohttp's reader: whether the connection is to be closed, and nothing."""
        self.reads += 1
        if self.receiver is not None and self._between and self._passed == self.read and not self._fragments:
            data = self._offered(data, self.receiver)
            if not data:
                return False, b""
        if (
            self._between
            and len(data) > _SHORT
            and data[1] == _MASKED | 126
            and data[0] == _TEXT
            and (data[2] << 8 | data[3]) == len(data) - 8
        ):
            self._passed += 1
            return self._reader.feed_data(data)  # exactly one masked text: nearly every media frame
        result = self._checked(data)
        self._between = not (self._left or self._head or self._refused)
        return result

    @staticmethod
    def _offered(data: bytes, receiver: Receiver) -> bytes:
        """What is left of a read: from the first frame on that is not a masked text of 126 bytes or more, or not taken.

        A busy process finds several frames at once, and must not be busier for it. Only so many, for the loop's turn.
        """
        at, size = 0, len(data)
        for _ in range(_OFFERED):
            if size - at <= _SHORT or data[at] != _TEXT or data[at + 1] != _MASKED | 126:
                break
            begin, end = at + 8, at + 8 + (data[at + 2] << 8 | data[at + 3])
            if end > size:
                break
            payload = bytearray(data[begin:end])
            websocket_mask(data[at + 4 : begin], payload)
            if not receiver(payload):
                break
            at = end
        return data[at:]

    def _checked(self, data: bytes) -> tuple[bool, bytes]:
        if self._refused:
            return True, b""
        data, self._head = self._head + data, b""
        passed = self._accepted(data)
        end, rest = self._reader.feed_data(data[:passed]) if passed else (False, b"")
        if self._refused:
            return self._reader.feed_data(_NO_FRAME)
        self._head = data[passed:]
        return end, rest

    def _accepted(self, data: bytes) -> int:
        """The number of bytes to pass on: up to a head that is refused, or not whole."""
        at, frames, size = 0, 0, len(data)
        while True:
            step = min(self._left, size - at)
            self._left -= step
            at += step
            if size - at < 2:
                return at
            flag = data[at + 1] & 0x7F
            head = {126: 4, 127: 10}.get(flag, 2)
            frames += 1
            if frames > AT_ONCE or not self._allows(data[at], data[at + 1]):
                self._refused = True
                return at
            if size - at < head:
                # Checked again when it is whole.
                return at
            self._count(data[at])
            self._left = 4 + (flag if head == 2 else int.from_bytes(data[at + 2 : at + head], "big"))
            at += head

    def _allows(self, first: int, second: int) -> bool:
        if not second & _MASKED:
            return False
        if first & 0x08:
            now = self._clock()
            self._control = min(float(CONTROL_BURST), self._control + (now - self._counted_at) * _CONTROL_PER_S)
            self._counted_at = now
            return self._control >= 1
        return bool(first & _LAST) or self._fragments < FRAGMENTS

    def _count(self, first: int) -> None:
        if first & 0x08:
            self._control -= 1
        elif first & _LAST:
            self._fragments = 0
        else:
            self._fragments += 1
            return
        self._passed += 1
