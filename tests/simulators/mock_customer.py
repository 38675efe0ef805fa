"""The customer in the tests of the mock carrier's simulator: a web server with a public name, and a REST client.

Knows nothing of voicecall.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tests.simulators.telnyx_customer import Phone as AnyPhone
from tests.simulators.twilio_customer import PUBLIC, Customer, Received, SimulatorClient

__all__ = [
    "CALL",
    "CONVERSE",
    "HOOK",
    "ME",
    "OPTIONS",
    "YOU",
    "MockCustomer",
    "MockSimulator",
    "Phone",
    "genuine",
    "world_of",
]

SECRET = "a-secret-for-tests"
ME = "+15550001111"
YOU = "+15550002222"
HOOK = f"{PUBLIC}/hook"
CALL = "call-1"
CONVERSE = {"do": "converse", "text": "", "heardUrl": f"{PUBLIC}/heard", "silentUrl": f"{PUBLIC}/silent"}
OPTIONS = ("--secret", SECRET, "--webhook", HOOK)


def genuine(request: Received, url: str) -> bool:
    """Whether the signature covers this request to this address."""
    stamp = request.headers["X-Mock-Timestamp"]
    wanted = hmac.new(SECRET.encode(), f"{stamp}.{url}.".encode() + request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, request.headers["X-Mock-Signature"])


class MockSimulator(SimulatorClient):
    """A client of the simulator: its REST API and its `/_sim` routes."""

    async def api(self, method: str, path: str, body: Any = None, secret: str = SECRET) -> tuple[int, Any]:
        """A request; status and JSON."""
        headers = {"Authorization": f"Bearer {secret}"}
        async with self.http.request(method, f"{self.url}/{path}", json=body, headers=headers) as response:
            return response.status, json.loads(await response.read())

    async def order(self, **fields: Any) -> tuple[int, Any]:
        """Place a call, with a fresh effect by default."""
        self.orders = getattr(self, "orders", 0) + 1
        usual = {"call": CALL, "effect": f"{CALL}.{self.orders}", "to": YOU, "from": ME, "webhookUrl": HOOK}
        return await self.api("POST", "calls", {**usual, "ringTimeoutS": 1.0, "timeLimitS": 60, **fields})

    async def call(self, **fields: Any) -> str:
        """Dial; the leg."""
        status, body = await self.order(**fields)
        assert status == 201, body
        leg: str = body["leg"]
        return leg

    async def say(self, leg: str, text: str, utterance: int, **fields: Any) -> int:
        order = {"call": CALL, "text": text, "utterance": utterance, "turnToken": "t1", "listens": True, **fields}
        status, _ = await self.api("POST", f"calls/{leg}/say", order)
        return status

    async def inbound(self, *script: dict[str, Any]) -> str:
        answer = await self.sim("POST", "inbound", {"from": YOU, "to": ME, "persona": list(script)})
        sid: str = answer["sid"]
        return sid


class MockCustomer(Customer):
    """A webhook server that answers each kind of event, and remembers all."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, list[dict[str, Any]]] = {}
        for path in ("/hook", "/heard", "/silent", "/resume"):
            self.pages[path] = self._answer

    def answer(self, kind: str, *instructions: dict[str, Any]) -> None:
        """What a kind of event gets, one after the other; the last for ever."""
        self.answers[kind] = list(instructions)

    def _answer(self, received: Received) -> web.StreamResponse:
        left = self.answers.get(json.loads(received.body)["event"]["type"], [{"do": "nothing"}])
        return web.json_response(left.pop(0) if len(left) > 1 else left[0])

    def requests_about(self, leg: str) -> list[Received]:
        """Every request about a leg; news of the calls of an earlier test may come as well."""
        return [r for r in self.requests if r.method == "POST" and json.loads(r.body)["event"]["legId"] == leg]

    def names(self, leg: str) -> list[str]:
        """The `id` of each request about a leg."""
        return [json.loads(r.body)["id"] for r in self.requests_about(leg)]

    def events(self, leg: str) -> list[dict[str, Any]]:
        """Every event about a leg, in order of arrival, with the path it came to."""
        return [{**json.loads(r.body)["event"], "path": r.path} for r in self.requests_about(leg)]

    def kinds(self, leg: str) -> list[str]:
        return [event["type"] for event in self.events(leg)]

    async def event(self, leg: str, kind: str) -> dict[str, Any]:
        """The leg's first event of a kind, waited for."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events(leg) if event["type"] == kind), None)

        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event


class Phone(AnyPhone):
    """The customer's end of one media socket."""

    @property
    def stream(self) -> str:
        name: str = self.got[0]["stream"]
        return name

    async def say(self, audio: bytes) -> None:
        await self.send("audio", stream=self.stream, payload=base64.b64encode(audio).decode())

    async def mark(self, name: str) -> None:
        await self.send("mark", stream=self.stream, name=name)


@asynccontextmanager
async def world_of(ready: dict[str, Any]) -> AsyncIterator[tuple[MockCustomer, MockSimulator]]:
    """A customer listening behind the public name, and the simulator, emptied."""
    customer = MockCustomer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", customer.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            simulator = MockSimulator(ready["url"], http)
            await simulator.forget()
            await simulator.sim("POST", "public-map", {PUBLIC: f"http://127.0.0.1:{runner.addresses[0][1]}"})
            yield customer, simulator
    finally:
        await runner.cleanup()
