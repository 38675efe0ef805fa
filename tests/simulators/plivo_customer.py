"""The customer in the tests of Plivo's simulator: a web server with a public name, and a REST client.

Knows nothing of voicecall.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tests.simulators.telnyx_customer import Phone as AnyPhone
from tests.simulators.twilio_customer import PUBLIC, Customer, SimulatorClient

__all__ = [
    "ACCOUNT",
    "ANSWER",
    "MAIN",
    "ME",
    "OPTIONS",
    "TOKEN",
    "YOU",
    "Phone",
    "PlivoSimulator",
    "answer_with",
    "document",
    "world_of",
]

ACCOUNT = "MA0123456789ABCDEF01"
TOKEN = "a-token-for-tests"
MAIN = "the-main-accounts-token"
ME = "15550001111"
YOU = "15550002222"
ANSWER = f"{PUBLIC}/answer"
OPTIONS = ("--auth-id", ACCOUNT, "--auth-token", TOKEN, "--main-token", MAIN, "--webhook", ANSWER)


class PlivoSimulator(SimulatorClient):
    """A client of the simulator: its REST API and its `/_sim` routes."""

    async def api(
        self, method: str, path: str, body: Any = None, auth: tuple[str, str] = (ACCOUNT, TOKEN)
    ) -> tuple[int, Any]:
        """A request under the account; status and JSON."""
        headers = {"Authorization": aiohttp.encode_basic_auth(*auth)}
        url = f"{self.url}/v1/Account/{ACCOUNT}/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw else None

    async def call(self, **fields: Any) -> str:
        """Dial; the CallUUID, which only the simulator's ledger has so early."""
        status, body = await self.api("POST", "Call/", {"from": ME, "to": YOU, "answer_url": ANSWER, **fields})
        assert (status, body["message"]) == (201, "call fired"), body
        assert body["api_id"]
        calls = (await self.sim("GET", "ledger?heard=0"))["calls"]
        sid: str = next(call["sid"] for call in calls if call["request_uuid"] == body["request_uuid"])
        assert sid != body["request_uuid"]
        return sid

    async def inbound(self, *script: dict[str, Any]) -> str:
        answer = await self.sim("POST", "inbound", {"from": f"+{YOU}", "to": f"+{ME}", "persona": list(script)})
        sid: str = answer["sid"]
        return sid


class Phone(AnyPhone):
    """The customer's end of one media socket."""

    @property
    def stream_id(self) -> str:
        sid: str = self.got[0]["start"]["streamId"]
        return sid

    async def say(self, audio: bytes) -> None:
        media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": base64.b64encode(audio).decode()}
        await self.send("playAudio", media=media)

    async def checkpoint(self, name: str) -> None:
        await self.send("checkpoint", streamId=self.stream_id, name=name)

    async def clear(self) -> None:
        await self.send("clearAudio", streamId=self.stream_id)


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
async def world_of(ready: dict[str, Any]) -> AsyncIterator[tuple[Customer, PlivoSimulator]]:
    """A customer listening behind the public name, and the simulator, emptied."""
    customer = Customer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", customer.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            simulator = PlivoSimulator(ready["url"], http)
            await simulator.forget()
            await simulator.sim("POST", "public-map", {PUBLIC: f"http://127.0.0.1:{runner.addresses[0][1]}"})
            yield customer, simulator
    finally:
        await runner.cleanup()


def document(*elements: str) -> str:
    """A Plivo XML document."""
    return f"<Response>{''.join(elements)}</Response>"
