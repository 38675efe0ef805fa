"""A carrier of idle calls: many inbound legs with open media streams and almost no audio.

For measuring the memory of a call, not its work: one frame of silence a second where a carrier sends fifty, so that
five hundred calls fit beside the stack on a small machine. Written from Twilio's protocol, of which it uses a small
part.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
import orjson

from bench.account import account_of
from simulators.stack import Stack

__all__ = ["quiet_calls"]

_SILENCE = base64.b64encode(b"\xff" * 160).decode()
_AT_ONCE = 4
"""The ingress accepts eight concurrent requests from one sender."""


@asynccontextmanager
async def quiet_calls(stack: Stack, first: int, count: int) -> AsyncIterator[None]:
    """Inside the block `count` calls are up. At its end they hang up."""
    # Without a limit of connections: every call keeps one.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        gate = asyncio.Semaphore(_AT_ONCE)
        calls = [_Call(stack, http, first + number) for number in range(count)]
        try:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(call.begin(gate))
            yield
        finally:
            await asyncio.gather(*(call.end(gate) for call in calls))


class _Call:
    """One leg and its stream."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession, number: int) -> None:
        self._stack = stack
        self._http = http
        self._number = number
        self._sid = f"CA{number:032x}"
        self._stream = f"MZ{number:032x}"
        self._account = account_of(stack)
        self._work: list[asyncio.Task[None]] = []

    async def begin(self, gate: asyncio.Semaphore) -> None:
        async with gate:
            connect = ET.fromstring(await self._send_webhook(CallStatus="ringing")).find("Connect/Stream")
            if connect is None:
                raise RuntimeError("the ingress did not connect a stream")
            parameters = {each.get("name"): each.get("value") for each in connect.findall("Parameter")}
            public = urlsplit(connect.get("url", ""))
            local = f"ws://127.0.0.1:{self._stack.ingress_ports[0]}{public.path}"
            socket = await self._http.ws_connect(local, headers={"Host": public.netloc}, max_msg_size=0)
            start = {
                "accountSid": self._account.sid,
                "streamSid": self._stream,
                "callSid": self._sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            }
            await self._say(socket, {"event": "connected", "protocol": "Call", "version": "1.0.0"})
            await self._say(socket, {"event": "start", "sequenceNumber": "1", "start": start})
        self._work = [asyncio.create_task(self._listen(socket)), asyncio.create_task(self._breathe(socket))]

    async def end(self, gate: asyncio.Semaphore) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        async with gate:
            await self._send_webhook(CallStatus="completed", CallbackSource="call-progress-events")

    async def _send_webhook(self, **fields: str) -> bytes:
        url = self._stack.webhook_url
        sent = {
            "CallSid": self._sid,
            "AccountSid": self._account.sid,
            "From": f"+1666{self._number:07d}",
            "To": "+15550001000",
            "Direction": "inbound",
            **fields,
        }
        signed = url + "".join(name + sent[name] for name in sorted(sent))
        signature = base64.b64encode(
            hmac.new(self._account.token.encode(), signed.encode(), hashlib.sha1).digest()
        ).decode()
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        local = f"http://127.0.0.1:{self._stack.ingress_ports[0]}{urlsplit(url).path}"
        async with self._http.post(local, data=urlencode(sent), headers=headers) as response:
            if response.status != 200:
                raise RuntimeError(f"the ingress answered {response.status} to a quiet call")
            return await response.read()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Return each mark at once: no audio is played."""
        async for message in socket:
            frame = orjson.loads(message.data)
            if frame["event"] == "mark":
                await self._say(socket, {"event": "mark", "mark": frame["mark"]})

    async def _breathe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for chunk in range(1, 1_000_000):
            media = {"track": "inbound", "chunk": str(chunk), "timestamp": str(chunk * 20), "payload": _SILENCE}
            await self._say(socket, {"event": "media", "media": media})
            await asyncio.sleep(1.0)

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
        await socket.send_str(orjson.dumps({**message, "streamSid": self._stream}).decode())
