"""A small ingress before one adapter: what it received, and a media socket that plays five frames and a mark.

The tests against the carriers' simulators derive from it; it is behind the simulator's public URL (`served`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from voicecall.call.events import Event
from voicecall.ports import Codec, MediaAudio, MediaIn, MediaMark, Webhook

__all__ = ["PATIENCE_S", "SmallIngress", "served"]

PATIENCE_S: Final = 20.0


class SmallIngress:
    """Answers webhooks as its subclass does. `webhooks` and `frames`: what was received and accepted, in order."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.webhooks: list[Webhook] = []
        self.frames: list[MediaIn] = []
        self._news = asyncio.Condition()

    @property
    def events(self) -> list[Event]:
        return [event for webhook in self.webhooks for event in webhook.events]

    async def until(self, there: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(there)

    async def seen(self, event: type[Event]) -> Event:
        """The first event of a kind, waited for."""
        await self.until(lambda: any(isinstance(one, event) for one in self.events))
        return next(one for one in self.events if isinstance(one, event))

    async def received(self, webhook: Webhook) -> None:
        async with self._news:
            self.webhooks.append(webhook)
            self._news.notify_all()

    async def webhook(self, request: web.Request) -> web.Response:
        raise NotImplementedError

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        """Hear the caller, play five frames and a mark, and close when the mark comes back."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        played = False
        async for message in socket:
            frame = self.read(request, message.data)
            async with self._news:
                self.frames.append(frame)
                self._news.notify_all()
            if isinstance(frame, MediaAudio) and not played:
                played = True
                for text in self.playback(frame.stream):
                    await socket.send_str(text)
            elif isinstance(frame, MediaMark):
                await socket.close()
        return socket

    def read(self, request: web.Request, text: str) -> MediaIn:
        del request
        return self.codec.media.read(text)

    def playback(self, stream: str) -> list[str]:
        """The frames that are sent after the caller's first audio."""
        return [
            *(self.codec.media.audio(stream, b"\xff" * 160) for _ in range(5)),
            self.codec.media.mark(stream, "u1.1"),
        ]


@asynccontextmanager
async def served(ingress: SmallIngress, stream_path: str = "/voice/stream") -> AsyncIterator[str]:
    """The local URL at which the ingress listens."""
    app = web.Application()
    app.router.add_post("/voice/webhook", ingress.webhook)
    app.router.add_get(stream_path, ingress.stream)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
