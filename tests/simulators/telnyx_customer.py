"""The customer in the tests of Telnyx's simulator: a webhook server with a public name, and a REST client.

Knows nothing of voicecall.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from tests.simulators.twilio_customer import PUBLIC, Customer, Received, SimulatorClient

__all__ = [
    "CONNECTION",
    "HOOK",
    "KEY",
    "ME",
    "OPTIONS",
    "YOU",
    "Phone",
    "TelnyxCustomer",
    "TelnyxSimulator",
    "answer_with",
    "world_of",
]

KEY = "KEY0123456789"
CONNECTION = "1494404757140276705"
ME = "+15550001111"
YOU = "+15550002222"
HOOK = f"{PUBLIC}/telnyx"
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
"""The seed of RFC 8032's first test."""
OPTIONS = ("--api-key", KEY, "--connection-id", CONNECTION, "--webhook", HOOK, "--key-seed", SEED)


class TelnyxSimulator(SimulatorClient):
    """A client of the simulator: its REST API and its `/_sim` routes."""

    public_key = ""
    headers: Mapping[str, str]
    """Of the last answer."""

    async def api(self, method: str, path: str, body: Any = None, key: str = KEY) -> tuple[int, Any]:
        """A request under /v2; status and JSON."""
        headers = {"Authorization": f"Bearer {key}"}
        async with self.http.request(method, f"{self.url}/v2/{path}", json=body, headers=headers) as response:
            self.headers = response.headers
            return response.status, json.loads(await response.read())

    async def call(self, **fields: Any) -> str:
        """Dial; the call_control_id."""
        status, body = await self.api("POST", "calls", {"connection_id": CONNECTION, "to": YOU, "from": ME, **fields})
        assert status == 200, body
        sid: str = body["data"]["call_control_id"]
        return sid

    async def command(self, sid: str, action: str, **fields: Any) -> Any:
        """A command that must succeed."""
        status, body = await self.api("POST", f"calls/{sid}/actions/{action}", fields)
        assert (status, body) == (200, {"data": {"result": "ok"}}), body
        return body

    async def refused(self, sid: str, action: str, **fields: Any) -> tuple[int, str]:
        """A command that must be refused: status and code."""
        status, body = await self.api("POST", f"calls/{sid}/actions/{action}", fields)
        assert status >= 400, body
        return status, body["errors"][0]["code"]

    async def inbound(self, *script: dict[str, Any]) -> str:
        answer = await self.sim("POST", "inbound", {"from": YOU, "to": ME, "persona": list(script)})
        sid: str = answer["sid"]
        return sid


class TelnyxCustomer(Customer):
    """A webhook server that remembers events."""

    def events(self, sid: str) -> list[dict[str, Any]]:
        """The `data` of every request about a call, in order of arrival."""
        reported = [json.loads(r.body)["data"] for r in self.requests if r.method == "POST"]
        return [data for data in reported if data["payload"]["call_control_id"] == sid]

    def types(self, sid: str) -> list[str]:
        return [data["event_type"] for data in self.events(sid)]

    async def event(self, sid: str, kind: str) -> dict[str, Any]:
        """The payload of the call's first event of a type, waited for."""

        def found() -> dict[str, Any] | None:
            return next((data["payload"] for data in self.events(sid) if data["event_type"] == kind), None)

        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: found() is not None)
        payload = found()
        assert payload is not None
        return payload

    async def requests_of(self, kind: str, count: int, path: str = "/telnyx") -> list[Received]:
        """The first `count` requests about an event type, waited for."""

        def found() -> list[Received]:
            return [r for r in self.requests if r.path == path and json.loads(r.body)["data"]["event_type"] == kind]

        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(found()) >= count)
        return found()


class Phone:
    """The customer's end of one media socket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.request = request
        self.got: list[dict[str, Any]] = []

    async def until(self, event: str, **facts: Any) -> dict[str, Any]:
        """Read up to a message; everything on the way is kept."""
        async for message in self.socket:
            assert message.type is WSMsgType.TEXT
            data: dict[str, Any] = json.loads(message.data)
            self.got.append(data)
            if data["event"] == event and all(data.get(event, data).get(name) == v for name, v in facts.items()):
                return data
        raise AssertionError(f"the socket closed before {event}")

    async def drain(self) -> None:
        """Read to the end."""
        async for message in self.socket:
            self.got.append(json.loads(message.data))

    async def send(self, event: str, **body: Any) -> None:
        await self.socket.send_str(json.dumps({"event": event, **body}))

    async def say(self, audio: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})

    def events(self, event: str) -> list[dict[str, Any]]:
        return [data for data in self.got if data["event"] == event]


def answer_with(customer: Customer, talk: Callable[[Phone], Awaitable[None]]) -> list[Phone]:
    """Let the customer's socket do this; each socket that came, in order."""
    phones: list[Phone] = []

    async def on_socket(socket: web.WebSocketResponse, request: web.Request) -> None:
        phone = Phone(socket, request)
        phones.append(phone)
        await phone.until("start")
        await talk(phone)

    customer.on_socket = on_socket
    return phones


@asynccontextmanager
async def world_of(ready: dict[str, Any]) -> AsyncIterator[tuple[TelnyxCustomer, TelnyxSimulator]]:
    """A customer listening behind the public name, and the simulator, emptied."""
    customer = TelnyxCustomer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", customer.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            simulator = TelnyxSimulator(ready["url"], http)
            simulator.public_key = ready["public_key"]
            await simulator.forget()
            await simulator.sim("POST", "public-map", {PUBLIC: f"http://127.0.0.1:{runner.addresses[0][1]}"})
            yield customer, simulator
    finally:
        await runner.cleanup()
