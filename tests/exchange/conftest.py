"""The exchange of test phones on real sockets, a server in the ingress's place that verifies each webhook, and tabs."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from voicecall.carriers.mock.codec import Codec
from voicecall.carriers.mock.control import Control
from voicecall.phone.app import Options, running_exchange
from voicecall.ports import WebhookRequest
from voicecall.settings import Deployment, Settings

SECRET = "a-secret-of-the-exchange"
NUMBER = "+15550004321"
CALL = "0b6e6a3c-9f0a-4a55-8f0e-0d8f6a5f1a11"


@dataclass
class FarEnd:
    """The ingress's place: answers each kind of event with the instruction that is set for it, and takes the media."""

    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    instructions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuse: int = 0
    """How many webhooks are answered with 503 yet."""
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def webhook(self, request: web.Request) -> web.Response:
        codec = Codec(secret=SECRET, now=time.time)
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        full = f"{self.url}{request.raw_path}"
        codec.verify(WebhookRequest(method="POST", url=full, headers=headers, body=body))
        codec.parse(WebhookRequest(method="POST", url=full, headers=headers, body=body))
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=503)
        event = json.loads(body)["event"]
        self.events.append({**event, "path": request.path})
        self._changed.set()
        return web.json_response(self.instructions.get(event["type"], {"do": "nothing"}))

    async def media(self, request: web.Request) -> web.WebSocketResponse:
        assert "Origin" not in request.headers
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.sockets.append(ws)
        async for message in ws:
            frame = Codec(secret=SECRET, now=time.time).media.read(message.data)
            raw = json.loads(message.data)
            self.frames.append(raw)
            if raw["event"] == "start":
                self.tokens.append(raw["token"])
            assert frame is not None
            self._changed.set()
        return ws

    def connect(self, *tokens: str) -> dict[str, Any]:
        """The instruction to open media sockets with these tokens, one after the other."""
        first, *later = tokens
        return {
            "do": "connect",
            "streamUrl": f"{self.url.replace('http', 'ws')}/media",
            "callId": CALL,
            "token": first,
            "rounds": [list(later)],
            "resumeUrl": f"{self.url}/resume",
        }

    async def event(self, kind: str) -> dict[str, Any]:
        return await self._until(lambda: next((event for event in self.events if event["type"] == kind), None))

    async def frame(self, kind: str, **members: Any) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            fits = (f for f in self.frames if f["event"] == kind and members.items() <= f.items())
            return next(fits, None)

        return await self._until(found)

    async def silence(self) -> None:
        """Until the exchange has filled in for a tab for a while: it knows that the tab's socket is lost."""
        last = max((f["n"] for f in self.frames if f["event"] == "audio"), default=0)
        await self.frame("audio", n=last + 20)

    async def _until(self, found: Any) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while (one := found()) is None:
                self._changed.clear()
                await self._changed.wait()
        return dict(one)


class Tab:
    """A browser tab's socket, without the gateway before it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.frames: list[dict[str, Any]] = []

    async def send(self, event: str, **members: Any) -> None:
        await self.ws.send_json({"event": event, **members})

    async def frame(self, kind: str) -> dict[str, Any]:
        """The next frame of this kind; those before it are kept in `frames`."""
        async with asyncio.timeout(20):
            while True:
                message = await self.ws.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, message
                frame = json.loads(message.data)
                self.frames.append(frame)
                if frame["event"] == kind:
                    return dict(frame)

    async def closed(self) -> object:
        """The code of the close frame; None when the socket broke without one."""
        async with asyncio.timeout(20):
            while True:
                message = await self.ws.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return message.data
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return None


@dataclass(kw_only=True)
class Exchanged:
    url: str
    http: aiohttp.ClientSession
    far: FarEnd
    control: Control

    async def tab(self, device: str = "1" * 32, *, held: tuple[str, ...] = (), got: int | None = None) -> Tab:
        """A tab that has been welcomed."""
        headers = {"Authorization": f"Bearer {SECRET}"}
        tab = Tab(await self.http.ws_connect(f"{self.url}/tabs", headers=headers))
        await tab.send("connect", device=device, held=list(held), got=got)
        await tab.frame("welcome")
        return tab

    async def dial(self, to: str = NUMBER, **changes: Any) -> str:
        order = {
            "call": CALL,
            "effect": "e1",
            "to": to,
            "from_": "+15550001000",
            "ring_timeout_s": 30.0,
            "time_limit_s": 600,
            **changes,
        }
        return str(await self.control.dial(**order))


@asynccontextmanager
async def exchanged(*, upstream: str = "", grace_s: float = 30.0, **config: Any) -> AsyncIterator[Exchanged]:
    far = FarEnd()
    app = web.Application()
    app.add_routes([web.get("/media", far.media), web.post("/{tail:.*}", far.webhook)])
    async with AsyncExitStack() as opened:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        far.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        settings = Settings.model_validate({"provider": "mock", "publicUrl": f"{far.url}/webhook", **config})
        deployment = replace(Deployment(), carrier_secrets={"mock": SECRET})
        options = Options(host="127.0.0.1", port=0, number=NUMBER, upstream=upstream, grace_s=grace_s)
        exchange = await opened.enter_async_context(running_exchange(options, settings, deployment, {}))
        http = await opened.enter_async_context(aiohttp.ClientSession())
        control = Control(http, base_url=exchange.url, secret=SECRET, webhook_url=f"{far.url}/webhook")
        yield Exchanged(url=exchange.url, http=http, far=far, control=control)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchanged]:
    async with exchanged() as running:
        yield running
