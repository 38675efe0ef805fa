"""An accepted media socket, read to its end: its frames go to its stream, and a peer that misuses it is closed.

The hot path is `SocketReader._plain_taker`: a plain frame of audio goes from the socket's callback to the stream. All
else, and all that may be refused, is read by the task of the socket. No frame overtakes another (`FrameCheck`).

Three malformed frames, or frames faster than twice real time, pings among them, close the socket (attacks 61-74).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import WSMessage, WSMsgType

from ingress.sockets import WebSocket
from ingress.streams import Stream
from ingress.uplink import FlowMeter
from voicecall import metrics
from voicecall.errors import WebhookRejected
from voicecall.ports import (
    MediaAudio,
    MediaConnected,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
    PlainAudio,
    RelayIn,
)

__all__ = ["CONTROL", "POLICY", "SocketReader", "SocketRefused"]

POLICY: Final = 1008
CONTROL: Final = frozenset({WSMsgType.PING, WSMsgType.PONG})

_STRIKES: Final = 3
_YIELD_EVERY: Final = 16  # frames that are read in a row when they arrived at once


class SocketRefused(Exception):
    """Ends the socket's handler: close with this code and reason. `label`: the metric's."""

    def __init__(self, code: int, reason: str, label: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.label = label


class SocketReader:
    """Reads an accepted socket to its end. The third malformed frame closes it.

    `decode`, `decode_plain`: as `MediaCodec.reader` and `.plain_reader`.
    """

    def __init__(
        self,
        decode: Callable[[str], MediaIn],
        decode_plain: Callable[[bytearray], PlainAudio | None] | None,
        stream: Stream,
        clock: Callable[[], float],
    ) -> None:
        self._decode = decode
        self._decode_plain = decode_plain
        self._stream = stream
        self._clock = clock
        self._flow = FlowMeter(clock())
        self._strikes = 0

    async def read(self, socket: WebSocket) -> None:
        """Returns when the stream stops or the socket is closed. Raises SocketRefused."""
        if self._decode_plain is None:
            await self._read(socket)
        else:
            with socket.offering(self._plain_taker(self._decode_plain)):
                await self._read(socket)

    def _plain_taker(self, decode: Callable[[bytearray], PlainAudio | None]) -> Callable[[bytearray], bool]:
        """Fifty times a second for every call. A frame beyond the limit is left to the task, which refuses it."""
        takes, clock, hear = self._flow.takes, self._clock, self._stream.on_caller_audio

        def take(frame: bytearray) -> bool:
            audio = decode(frame)
            if audio is None or not takes(len(audio[1]), clock()):
                return False
            hear(*audio)
            return True

        return take

    async def _read(self, socket: WebSocket) -> None:
        frames = 0
        while True:
            frames += 1
            if frames % _YIELD_EVERY == 0:
                await asyncio.sleep(0)  # `receive` does not wait for a frame that is there: other calls have their turn
            message = await socket.receive()
            if message.type is not WSMsgType.TEXT:
                if not self._is_open_after(message, socket):
                    return
                continue
            try:
                item = self._decode(message.data)
            except WebhookRejected as error:
                self._strike(error.reason)
                continue
            audio = item if isinstance(item, MediaAudio) else None
            if not self._flow.takes(len(audio.mulaw) if audio else 0, self._clock()):
                raise SocketRefused(POLICY, "Too fast", "rate")
            if audio is not None and audio.stream == self._stream.name:
                self._stream.on_caller_audio(audio.chunk, audio.mulaw)  # fifty times a second: kept short
            elif not self._take(item):
                return

    def _is_open_after(self, message: WSMessage, socket: WebSocket) -> bool:
        """False when the socket is closed. A ping is answered, and costs as much as a frame of audio."""
        if message.type is WSMsgType.BINARY:
            self._strike("binary")
            return True
        if message.type not in CONTROL:
            return False
        if not self._flow.takes(0, self._clock()):
            raise SocketRefused(POLICY, "Too fast", "rate")
        if message.type is WSMsgType.PING:
            socket.pong(message.data)
        return True

    def _take(self, item: MediaIn) -> bool:
        """False at the end of the stream."""
        stream = self._stream
        if isinstance(item, MediaUnknown | MediaConnected):
            return True
        if isinstance(item, MediaStarted):
            raise SocketRefused(POLICY, "Already started", "second-start")
        if isinstance(item, RelayIn):
            stream.on_text(item)
            return True
        if item.stream != stream.name and not stream.is_text:
            self._strike("other-stream")
            return True
        if isinstance(item, MediaMark):
            stream.on_mark(item.name)
        elif isinstance(item, MediaKey):
            stream.on_key(item.digit)
        return not isinstance(item, MediaStopped)

    def _strike(self, reason: str) -> None:
        self._strikes += 1
        metrics.MEDIA_DROPPED.labels(reason=reason).inc()
        if self._strikes >= _STRIKES:
            raise SocketRefused(POLICY, "Malformed", reason)
