"""The customer in the tests of Twilio's simulator: a web server with a public name, and a REST client.

The simulator runs as a real process; everything goes over loopback sockets. Knows nothing of voicecall.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

__all__ = [
    "ACCOUNT",
    "PUBLIC",
    "TOKEN",
    "Customer",
    "Received",
    "SimulatorClient",
    "customer_of",
    "running_simulator",
    "twiml",
]

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a-token-for-tests"
PUBLIC = "https://voice.example.com"
ME = "+15550001111"
YOU = "+15550002222"

Reply = str | web.StreamResponse
OnSocket = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


@contextmanager
def running_simulator(*options: str) -> Iterator[str]:
    """Run a simulator; yields its URL. Asserts exit status 0 after SIGTERM."""
    command = [sys.executable, "-m", "simulators.twilio", "--account-sid", ACCOUNT, "--auth-token", TOKEN, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        yield ready["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)
        process.stdout.close()
    assert code == 0


@dataclass(frozen=True)
class Received:
    """One request the customer got."""

    path: str
    fields: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    method: str

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]

    def get(self, name: str) -> str:
        return dict(self.fields).get(name, "")


class SimulatorClient:
    """A client of the simulator: its REST API and its `/_sim` routes."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http
        self.calls_path = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
        self.seen = 0

    async def rest(
        self, method: str, path: str, form: Any = None, auth: tuple[str, str] = (ACCOUNT, TOKEN)
    ) -> tuple[int, Any]:
        """A REST request under the account's Calls; status and JSON."""
        headers = {"Authorization": aiohttp.encode_basic_auth(*auth)}
        url = self.url + self.calls_path + path
        async with self.http.request(method, url, data=form, headers=headers) as response:
            return response.status, json.loads(await response.read())

    async def dial(self, **fields: Any) -> str:
        """Place a call; its SID."""
        form = [("To", YOU), ("From", ME)]
        for name, value in fields.items():
            form += [(name, str(one)) for one in (value if isinstance(value, list) else [value])]
        status, body = await self.rest("POST", ".json", form)
        assert status == 201, body
        sid: str = body["sid"]
        return sid

    async def sim(self, method: str, path: str, body: Any = None) -> Any:
        """A request to `/_sim`; its JSON."""
        async with self.http.request(method, f"{self.url}/_sim/{path}", json=body) as response:
            raw = await response.read()
            assert response.status < 400, raw
            return json.loads(raw) if raw else None

    async def persona(self, *script: dict[str, Any], number: str = YOU) -> None:
        await self.sim("POST", "persona", {"number": number, "script": list(script)})

    async def line(self, kind: str, **facts: Any) -> dict[str, Any]:
        """The first ledger line with these facts, waited for."""
        after = self.seen
        async with asyncio.timeout(15):
            while True:
                found = await self.sim("GET", f"events?after={after}&wait_s=10")
                for line in found["lines"]:
                    if line["kind"] == kind and all(line.get(name) == value for name, value in facts.items()):
                        return dict(line)
                after = found["last_seq"]

    async def ended(self, sid: str) -> dict[str, Any]:
        """A call's whole report, once it is over and its webhooks are out."""
        final = ("completed", "busy", "failed", "no-answer", "canceled")
        after = self.seen
        async with asyncio.timeout(30):
            while True:
                found = await self.sim("GET", f"events?after={after}&wait_s=10")
                if any(x["kind"] == "call" and x["call_sid"] == sid and x["status"] in final for x in found["lines"]):
                    return dict(await self.sim("GET", f"calls/{sid}"))
                after = found["last_seq"]

    async def webhooks(self, sid: str) -> list[dict[str, Any]]:
        ledger = await self.sim("GET", "ledger?heard=0")
        return [line for line in ledger["webhooks"] if line["call_sid"] == sid]

    async def errors(self, sid: str) -> list[int]:
        """The Twilio error codes noted for a call."""
        ledger = await self.sim("GET", "ledger?heard=0")
        return [line["code"] for line in ledger["errors"] if line.get("call_sid") == sid]

    async def forget(self) -> None:
        """A clean slate, from which `line` and `ended` look forward."""
        for call in (await self.sim("GET", "ledger?heard=0"))["calls"]:
            await self.sim("POST", f"hangup/{call['sid']}")
        await self.sim("DELETE", "misbehave")
        await self.sim("DELETE", "ledger")
        self.seen = (await self.sim("GET", "ledger?heard=0"))["last_seq"]


class Customer:
    """A web server: pages by path, a socket handler, and a memory of what came."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[Received], Reply | Awaitable[Reply]]] = {}
        self.requests: list[Received] = []
        self.on_socket: OnSocket | None = None
        self._changed = asyncio.Condition()

    def page(self, path: str, *replies: Reply) -> None:
        """Answer with these, one after the other; the last for ever."""
        left = list(replies)

        def reply(_: Received) -> Reply:
            return left.pop(0) if len(left) > 1 else left[0]

        self.pages[path] = reply

    async def request(self, path: str, **fields: str) -> Received:
        """The first request to a path with these fields, waited for."""

        def found() -> Received | None:
            fits = (r for r in self.requests if r.path == path and all(r.get(k) == v for k, v in fields.items()))
            return next(fits, None)

        async with asyncio.timeout(15), self._changed:
            await self._changed.wait_for(lambda: found() is not None)
        received = found()
        assert received is not None
        return received

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        body = await request.read()
        text = body.decode() or request.query_string
        fields = parse_qsl(text, keep_blank_values=True)
        received = Received(request.path, fields, dict(request.headers), body, request.method)
        self.requests.append(received)
        async with self._changed:
            self._changed.notify_all()
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=204)
        answer = page(received)
        reply = answer if isinstance(answer, str | web.StreamResponse) else await answer
        return web.Response(text=reply, content_type="text/xml") if isinstance(reply, str) else reply

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.on_socket is None:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await self.on_socket(socket, request)
        return socket


@asynccontextmanager
async def customer_of(simulator: str) -> AsyncIterator[tuple[Customer, SimulatorClient]]:
    """A customer listening behind the public name, and the simulator, emptied."""
    customer = Customer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", customer.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            here = SimulatorClient(simulator, http)
            await here.forget()
            await here.sim("POST", "public-map", {PUBLIC: f"http://127.0.0.1:{runner.addresses[0][1]}"})
            yield customer, here
    finally:
        await runner.cleanup()


def twiml(*verbs: str) -> str:
    """A TwiML document."""
    return f"<Response>{''.join(verbs)}</Response>"
