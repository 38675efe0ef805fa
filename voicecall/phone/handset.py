"""One browser tab as a phone: what is sent to it, across sockets that are lost and come back.

A frame waits here until a socket takes it, and is kept until the tab confirms it: a network that fails loses what was
on its way. A tab that comes back says which frame was its last and which marks it still holds: what is missing is sent
again, and the marks that it has lost count as played. Used by `exchange`; knows no call.
"""

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

import orjson
from aiohttp import web

__all__ = ["AUDIO", "CLEAR", "MARK", "REPLACED", "Handset"]

AUDIO: Final = "audio"
MARK: Final = "mark"
CLEAR: Final = "clear"
REPLACED: Final = 4001
"""Close code of a socket whose tab has opened another one, or was duplicated."""

_LONGEST: Final = 3_000  # frames: one minute of audio, as much as the protocol lets a phone buffer


class Handset:
    """`device`: the tab's own name, 128 random bits. `leg`: the name of the call's leg that it carries, if any."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.leg = ""
        self._ws: web.WebSocketResponse | None = None
        self._writing: asyncio.Task[None] | None = None
        self._waiting: deque[dict[str, Any]] = deque()
        self._added = asyncio.Event()
        self._unconfirmed: deque[dict[str, Any]] = deque()
        self._number = 0  # of the newest frame that was sent
        self._marks: dict[str, None] = {}  # sent, and not returned

    @property
    def is_present(self) -> bool:
        return self._ws is not None

    def attach(
        self, ws: web.WebSocketResponse, welcome: dict[str, Any], *, held: Collection[str], got: int | None
    ) -> list[str]:
        """Send over this socket from now on, the welcome first. Returns the marks that the tab has lost.

        `held`: the marks that it has not passed; `got`: the number of its last frame, None for a page that begins.
        """
        self.detach(self._ws)
        again = self._missing(got)
        coming = {frame.get("name") for frame in again}
        lost = [name for name in self._marks if name not in held and name not in coming]
        for name in lost:
            del self._marks[name]
        self._waiting.extendleft(reversed(again))
        self._ws = ws
        self._writing = asyncio.create_task(self._write(ws, welcome))
        return lost

    def confirm(self, got: int) -> None:
        """The tab has every frame up to this one."""
        while self._unconfirmed and self._unconfirmed[0]["seq"] <= got:
            self._unconfirmed.popleft()

    def detach(self, ws: web.WebSocketResponse | None) -> bool:
        """The socket is gone; what is sent waits. False when another one has taken its place."""
        if ws is None or ws is not self._ws:
            return False
        self._ws = None
        if self._writing is not None:
            self._writing.cancel()
        return True

    async def replace(self) -> None:
        """Close the current socket, for a newer one of the same tab."""
        ws = self._ws
        if self.detach(ws) and ws is not None:
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await ws.close(code=REPLACED, message=b"this phone is open in another tab")

    def send(self, event: str, **members: Any) -> None:
        """Send a frame now, or when the tab is back."""
        self._waiting.append({"event": event, **members})
        while len(self._waiting) > _LONGEST:
            self._drop_oldest_audio()
        self._added.set()

    def returned(self, mark: str) -> bool:
        """The tab returned a mark. False when it had none of that name."""
        return self._marks.pop(mark, self) is None

    def clear(self, stream: str) -> list[str]:
        """Drop the audio that waits, and let the tab drop what it holds. Returns the marks that never reached it."""
        dropped = self._drop_media()
        self.send(CLEAR, stream=stream)
        return dropped

    def begin_stream(self, stream: str) -> None:
        """A new media socket: audio and marks of the one before are void."""
        self._drop_media()
        self._marks.clear()
        self.send("stream", stream=stream)

    def _missing(self, got: int | None) -> list[dict[str, Any]]:
        """The frames that the tab did not get; the next one gets the number after its last."""
        self.confirm(got or 0)
        missing = [] if got is None else list(self._unconfirmed)
        self._unconfirmed.clear()
        self._number = got or 0
        return missing

    def _drop_media(self) -> list[str]:
        marks = [frame["name"] for frame in self._waiting if frame["event"] == MARK]
        self._waiting = deque(frame for frame in self._waiting if frame["event"] not in {AUDIO, MARK, CLEAR})
        return marks

    def _drop_oldest_audio(self) -> None:
        for place, frame in enumerate(self._waiting):
            if frame["event"] == AUDIO:
                del self._waiting[place]
                return
        self._waiting.popleft()

    async def _write(self, ws: web.WebSocketResponse, welcome: dict[str, Any]) -> None:
        """Send what waits until the socket fails; its reader notices that too."""
        with suppress(ConnectionError):
            await ws.send_str(orjson.dumps(welcome).decode())
            while True:
                while self._waiting:
                    await ws.send_str(orjson.dumps(self._next()).decode())
                self._added.clear()
                await self._added.wait()

    def _next(self) -> dict[str, Any]:
        """The next frame, numbered and kept until it is confirmed."""
        self._number += 1
        frame = {**self._waiting.popleft(), "seq": self._number}
        self._unconfirmed.append(frame)
        if len(self._unconfirmed) > _LONGEST:
            self._unconfirmed.popleft()
        if frame["event"] == MARK:
            self._marks[frame["name"]] = None
        return frame
