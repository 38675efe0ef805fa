"""One media socket of a leg to the ingress: flat JSON frames, base64 mu-law, as docs/adding-a-carrier.md has them.

Used by `leg`. Knows neither what is said nor who hears it.
"""

import asyncio
import uuid
from binascii import b2a_base64
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

import aiohttp
import orjson

__all__ = ["FRAME_BYTES", "SILENCE", "MediaSocket"]

FRAME_BYTES: Final = 160
_FRAME_S: Final = 0.020
SILENCE: Final = b2a_base64(b"\xff" * FRAME_BYTES, newline=False).decode()
_LARGEST: Final = 65_536
_OPEN_S: Final = 5.0
_HEARTBEAT_S: Final = 20.0
_MISSING_S: Final = 0.1  # without a frame of the phone for so long, silence is sent in its place


class MediaSocket:
    """An open socket. `name`: the stream's. Sending on one that has closed does nothing."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, name: str) -> None:
        self.name = name
        self._ws = ws
        self._sent = 0
        self._heard_at = asyncio.get_running_loop().time()

    @classmethod
    async def opened(cls, http: aiohttp.ClientSession, url: str, *, leg: str, call: str, token: str) -> "MediaSocket":
        """Connect and introduce the call. Raises ConnectionError when no ingress takes the socket."""
        try:
            async with asyncio.timeout(_OPEN_S):
                ws = await http.ws_connect(url, max_msg_size=_LARGEST, heartbeat=_HEARTBEAT_S)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ConnectionError(f"the media socket was not opened: {type(error).__name__}") from None
        socket = cls(ws, f"st-{uuid.uuid4()}")
        await socket._send("start", leg=leg, call=call, token=token)
        return socket

    async def frames(self) -> AsyncIterator[dict[str, Any]]:
        """What the ingress sends, until the socket has closed. Frames that cannot be read are left out."""
        async for message in self._ws:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            with suppress(orjson.JSONDecodeError):
                frame = orjson.loads(message.data)
                if isinstance(frame, dict) and frame.get("stream") == self.name:
                    yield frame

    async def audio(self, payload: str) -> None:
        """Send 20 ms of the phone. `payload`: base64 mu-law."""
        self._heard_at = asyncio.get_running_loop().time()
        await self._frame(payload)

    async def key(self, digit: str) -> None:
        await self._send("key", digit=digit)

    async def mark(self, name: str) -> None:
        """Return a mark: the audio before it was played, or dropped."""
        await self._send("mark", name=name)

    async def close(self) -> None:
        await self._send("stop")
        with suppress(ConnectionError, aiohttp.ClientError):
            await self._ws.close()

    async def fill(self, spoken: Callable[[], str | None]) -> None:
        """Send in the phone's place while nothing comes of it: what `spoken` gives, else silence. Until cancelled.

        A phone sends without a pause; a browser whose socket is lost, or whose audio is off, does not.
        """
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            due = max(due + _FRAME_S, clock() - _MISSING_S)
            await asyncio.sleep(max(0.0, due - clock()))
            if clock() - self._heard_at >= _MISSING_S:
                await self._frame(spoken() or SILENCE)

    async def _frame(self, payload: str) -> None:
        self._sent += 1
        await self._send("audio", n=self._sent, payload=payload)

    async def _send(self, event: str, **members: Any) -> None:
        with suppress(ConnectionError, aiohttp.ClientError):
            await self._ws.send_str(orjson.dumps({"event": event, "stream": self.name, **members}).decode())
