"""A carrier's API on a real socket that answers as a test defines, and records the requests."""

import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from voicecall.carriers.common.rest import RestTimeouts

__all__ = ["QUICK", "Act", "Api", "Asked", "cut", "free_port", "hang", "says", "serving", "session"]

Act = Callable[["Api", web.Request], Awaitable[web.StreamResponse]]

QUICK = RestTimeouts(connect_s=2.0, total_s=5.0, attempts=3, pause_s=0.001)


class Api:
    """`acts` are used up in order; the last one stays. `asked` holds every request."""

    def __init__(self, *acts: Act) -> None:
        self.acts = deque(acts)
        self.asked: list[Asked] = []
        self.url = ""
        self.closing = asyncio.Event()
        self.reached = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request, (await request.read()).decode()))
        self.reached.set()
        act = self.acts.popleft() if len(self.acts) > 1 else self.acts[0]
        return await act(self, request)


class Asked:
    def __init__(self, request: web.Request, body: str) -> None:
        self.line = f"{request.method} {request.path}"
        self.query = dict(request.query)
        self.headers = request.headers
        self.body = body

    @property
    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body, keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def says(status: int, body: object = None, **headers: str) -> Act:
    """A reply: JSON, or bytes as they are."""

    async def act(_api: Api, _request: web.Request) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=raw, headers=names, content_type="application/json")

    return act


async def cut(_api: Api, request: web.Request) -> web.StreamResponse:
    """The request arrived, and then the line went dead."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(api: Api, _request: web.Request) -> web.StreamResponse:
    """The request arrives, and is never answered."""
    await api.closing.wait()
    return web.Response()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(*acts: Act, port: int = 0) -> AsyncIterator[Api]:
    api = Api(*acts)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield api
    finally:
        api.closing.set()
        await runner.cleanup()


@asynccontextmanager
async def session(*, limit: int = 0) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit)) as http:
        yield http
