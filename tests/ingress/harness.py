"""A running `IngressServer` on a loopback port with Twilio's codec and fakes behind it, and raw clients."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from ingress.server import IngressServer
from simulators.twilio.signature import sign
from tests.fakes.ingress import DirectMedia, InMemoryLog, Places, RecordingDoorbell
from voicecall import ports
from voicecall.call.ids import CallId, LegId, NodeId, StreamId, inbound_call_id
from voicecall.carriers.twilio.codec import Codec
from voicecall.settings import Settings, parse_settings

__all__ = [
    "ACCOUNT",
    "LEG",
    "PUBLIC",
    "TOKEN",
    "Answer",
    "Harness",
    "Phone",
    "exchange",
    "fields",
    "inbound_id",
    "make_settings",
    "request",
    "running_ingress",
]

ACCOUNT = "AC" + "0" * 32
TOKEN = "throw-away"
PUBLIC = "https://calls.example/voice/webhook"
LEG = LegId("CA" + "1" * 32)
NODE = NodeId("ingress-test")


def make_settings(**changes: Any) -> Settings:
    """Twilio with streaming, all callers admitted; `changes` are top-level keys of the configuration."""
    raw: dict[str, Any] = {
        "provider": "twilio",
        "fromNumber": "+15550009999",
        "publicUrl": PUBLIC,
        "inboundPolicy": "open",
        "maxConcurrentCalls": 100,
        "twilio": {"accountSid": ACCOUNT, "authToken": TOKEN},
        "streaming": {"enabled": True, "openaiApiKey": "k"},
        "tts": {"openai": {"apiKey": "k"}},
        "responseApiKey": "k",
    }
    for key, value in changes.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) and key in raw else value
    # With a base URL of its own, a carrier needs no public URL (settings/rules).
    return parse_settings(orjson.dumps(raw).decode(), {"TWILIO_API_BASE_URL": "http://127.0.0.1:9"})


@dataclass
class Harness:
    server: IngressServer
    port: int
    settings: Settings
    log: InMemoryLog = field(default_factory=InMemoryLog)
    places: Places = field(default_factory=Places)
    doorbell: RecordingDoorbell = field(default_factory=RecordingDoorbell)
    media: DirectMedia = field(default_factory=DirectMedia)

    async def webhook(self, form: Mapping[str, str], query: str = "", **options: Any) -> "Answer":
        """One signed webhook."""
        return await exchange(self.port, request(form, query, **options))


@asynccontextmanager
async def running_ingress(
    *,
    log: InMemoryLog | None = None,
    server: Mapping[str, Any] | None = None,
    codec: ports.Codec | None = None,
    **changes: Any,
) -> AsyncIterator[Harness]:
    settings = make_settings(**changes)
    log, places, doorbell, media = (
        log or InMemoryLog(owner=NodeId("worker-1")),
        Places(),
        RecordingDoorbell(),
        DirectMedia(),
    )
    ingress = IngressServer(
        settings=settings,
        node=NODE,
        codec=codec
        or Codec(account_sid=ACCOUNT, auth_tokens=(TOKEN,), skip_verification=settings.skip_signature_verification),
        log=log,
        places=places,
        doorbell=doorbell,
        media=media,
        **(server or {}),
    )
    server = await asyncio.get_running_loop().create_server(ingress.server, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield Harness(ingress, port, settings, log, places, doorbell, media)
    finally:
        server.close()
        log.down = False
        if log.hold is not None:
            log.hold.set()
        await ingress.close()
        await server.wait_closed()


def inbound_id(leg: LegId = LEG) -> CallId:
    return inbound_call_id("twilio", leg)


def fields(**changes: str) -> dict[str, str]:
    """The form of an inbound call's first request; `changes` replace fields."""
    return {
        "AccountSid": ACCOUNT,
        "CallSid": LEG,
        "From": "+15550001234",
        "To": "+15550009999",
        "Direction": "inbound",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
        **changes,
    }


def request(
    form: Mapping[str, str] | Sequence[tuple[str, str]],
    query: str = "",
    *,
    signed: bool = True,
    method: str = "POST",
    target: str | None = None,
    headers: Mapping[str, str | None] | None = None,
    body: bytes | None = None,
) -> bytes:
    """The bytes of one webhook. A header of None is left out."""
    pairs = list(form.items()) if isinstance(form, Mapping) else list(form)
    body = urlencode(pairs).encode() if body is None else body
    tail = f"?{query}" if query else ""
    lines: dict[str, str | None] = {
        "Host": "calls.example",
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "Content-Length": str(len(body)),
        "X-Twilio-Signature": sign(TOKEN, PUBLIC + tail, pairs) if signed else None,
        **(headers or {}),
    }
    head = f"{method} {target or '/voice/webhook' + tail} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return head.encode("utf-8", "surrogateescape") + b"\r\n" + body


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body)


async def exchange(port: int, data: bytes, *, source: str = "127.0.0.1") -> Answer:
    """Send these bytes on a fresh connection and read one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        writer.write(data)
        return await read_answer(reader)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


class Phone:
    """A carrier's media socket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, stream: StreamId) -> None:
        self.ws = ws
        self.stream = stream
        self._chunk = 0

    @classmethod
    @asynccontextmanager
    async def dial(cls, port: int, stream: str = "MZ1", **options: Any) -> "AsyncIterator[Phone]":
        async with aiohttp.ClientSession() as session:
            url = f"ws://127.0.0.1:{port}/voice/stream"
            async with session.ws_connect(url, autoclose=True, **options) as ws:
                yield cls(ws, StreamId(stream))

    async def send(self, **message: Any) -> None:
        await self.ws.send_str(orjson.dumps({"streamSid": self.stream, **message}).decode())

    async def start(self, call: CallId, token: str, leg: LegId = LEG, *, form: Mapping[str, Any] | None = None) -> None:
        start = {
            "streamSid": self.stream,
            "accountSid": ACCOUNT,
            "callSid": leg,
            "tracks": ["inbound"],
            "customParameters": {"callId": call, "token": token},
            "mediaFormat": form or {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        await self.send(event="connected", protocol="Call", version="1.0.0")
        await self.send(event="start", sequenceNumber="1", start=start)

    async def speak(self, mulaw: bytes = b"\x7f" * 160, *, chunk: int | None = None) -> None:
        self._chunk = chunk if chunk is not None else self._chunk + 1
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": "5",
            "payload": base64.b64encode(mulaw).decode(),
        }
        await self.send(event="media", sequenceNumber=str(self._chunk + 1), media=media)

    async def hear(self) -> dict[str, Any]:
        """The next message of the ingress."""
        message = await self.ws.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        heard: dict[str, Any] = orjson.loads(message.data)
        return heard

    async def closed(self) -> int | None:
        """Read to the end; the close code."""
        while True:
            message = await self.ws.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return int(message.data)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return self.ws.close_code


def nonce() -> str:
    return base64.urlsafe_b64encode(os.urandom(9)).decode()
