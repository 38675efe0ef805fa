"""One browser tab as a phone: what is sent to it, across sockets that are lost and come back.

A frame waits here until a socket takes it. Which marks the tab has not returned is kept too: a tab that comes back says
which it still holds, and the others count as played. Used by `exchange`; knows no call.
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
        self._marks: dict[str, None] = {}  # sent, and not returned

    @property
    def is_present(self) -> bool:
        return self._ws is not None

    def attach(self, ws: web.WebSocketResponse, held: Collection[str], *first: dict[str, Any]) -> list[str]:
        """Send over this socket from now on, `first` before all else. Returns the marks that the tab has lost."""
        self.detach(self._ws)
        lost = [name for name in self._marks if name not in held]
        for name in lost:
            del self._marks[name]
        self._waiting.extendleft(reversed(first))
        self._ws = ws
        self._writing = asyncio.create_task(self._write(ws))
        return lost

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

    async def _write(self, ws: web.WebSocketResponse) -> None:
        """Send what waits until the socket fails; its reader notices that too."""
        with suppress(ConnectionError):
            while True:
                while self._waiting:
                    frame = self._waiting.popleft()
                    if frame["event"] == MARK:
                        self._marks[frame["name"]] = None  # before it is sent: one that is lost on the way is missed
                    await ws.send_str(orjson.dumps(frame).decode())
                self._added.clear()
                await self._added.wait()
