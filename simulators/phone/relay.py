"""A carrier that hears and speaks, and exchanges text over a socket: one session, whatever the carrier.

It speaks tone code and recognises the callee's script perfectly. A socket that is lost is opened again where the
carrier does so, and what the callee said meanwhile is sent then. Each message of the customer is checked. The carrier's
handshake and its first message are in `simulators.<carrier>.relay`.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from simulators.phone.call import Call
from simulators.phone.line import Line
from simulators.phone.websocket import Refused, WebSocket, connect
from simulators.tones import START_MS, encode_mulaw, ms_per_char

__all__ = ["Relay"]

_ENDPOINT_S = 0.3
_KEPT = 500
_RECONNECT_EVERY_S = 0.3
_RECONNECT_FOR_S = 30.0


@dataclass
class _Talk:
    """A text that is spoken, from `start` to `end` of what was ever queued for the callee, in bytes."""

    text: str
    interruptible: bool
    start: int
    end: int
    is_announced: bool = False


class Relay(ABC):
    """One session. It stands in for the call's collector of speech and keys.

    `attributes`: named as Twilio's noun names them.
    """

    invalid_message = 0
    """The carrier's code for a message it does not understand."""
    is_busy = False
    """The session has not ended."""

    def __init__(self, call: Call, line: Line, sid: str, url: str, attributes: Mapping[str, str]) -> None:
        self.sid = sid
        self._call = call
        self._line = line
        self._url = url
        self._attributes = attributes
        self._socket: WebSocket | None = None
        self._talks: deque[_Talk] = deque()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._prompts: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self.replayed = 0

    # --- what a carrier adds

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The headers of the upgrade besides those of RFC 6455."""

    @abstractmethod
    def setup(self) -> dict[str, Any]:
        """The fields of the message that introduces the session, besides those that all have."""

    # --- lifetime

    async def run(self) -> str:
        """Until the session ends: "ended" by the customer, or "failed"."""
        self.is_busy = True
        before, self._call.collector = self._call.collector, self
        ticking = asyncio.create_task(self._follow_line())
        try:
            return await self._serve()
        finally:
            self.is_busy = False
            ticking.cancel()
            self._call.collector = before
            if self._socket is not None:
                self._socket.close()

    async def _serve(self) -> str:
        if not await self._open():
            return "failed"
        while True:
            socket = self._socket
            if socket is None:
                return "failed"
            await self._until_over(socket)
            if self._over.is_set():
                return "ended"
            self._socket = None
            self._call.note("relay.lost", session=self.sid)
            if self._attributes.get("applicationReconnect") != "true" or not await self._reopen():
                return "failed"

    async def _until_over(self, socket: WebSocket) -> None:
        """Until the customer ends the session, or the socket is lost."""
        ended = asyncio.ensure_future(self._over.wait())
        lost = asyncio.ensure_future(asyncio.shield(socket.closed))
        await asyncio.wait([ended, lost], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        ended.cancel()

    async def _reopen(self) -> bool:
        until = time.monotonic() + _RECONNECT_FOR_S
        while time.monotonic() < until:
            if await self._open():
                return True
            await asyncio.sleep(_RECONNECT_EVERY_S)
        return False

    async def _open(self) -> bool:
        headers = {**self.headers(), "Host": urlsplit(self._url).netloc}
        for route in self._call.exchange.public.routes(self._url):
            try:
                socket = await connect(route, headers=headers, on_text=self._take)
            except (Refused, OSError, TimeoutError):
                continue
            self._begin(socket)
            return True
        return False

    def _begin(self, socket: WebSocket) -> None:
        call = self._call
        self.connections += 1
        setup = {
            "type": "setup",
            "sessionId": self.sid,
            "callSid": call.sid,
            "from": call.from_,
            "to": call.to,
            "callerName": "",
            **self.setup(),
        }
        socket.send(orjson.dumps(setup))
        self._socket = socket
        call.note("relay.connected", session=self.sid, connection=self.connections)
        while self._waiting:
            self.replayed += 1
            self._send(self._waiting.popleft())

    # --- the callee, as the call's collector

    def speech_began(self) -> None:
        self._send(_info("clientSpeaking", "on"))
        if self._attributes.get("interruptible", "any") in ("any", "speech"):
            self._interrupt()

    def speech(self, text: str) -> None:
        task = asyncio.create_task(self._prompt(text))
        self._prompts.add(task)
        task.add_done_callback(self._prompts.discard)

    def digit(self, digit: str) -> None:
        if self._attributes.get("interruptible", "any") in ("any", "dtmf"):
            self._interrupt()
        if self._attributes.get("dtmfDetection") == "true":
            self._send({"type": "dtmf", "digit": digit})

    async def _prompt(self, text: str) -> None:
        await asyncio.sleep(_ENDPOINT_S)
        self._send(_info("clientSpeaking", "off"))
        self._send({"type": "prompt", "voicePrompt": text, "lang": "en-US", "last": True})

    def _interrupt(self) -> None:
        """What is said and may be interrupted is dropped, and so is what would follow it."""
        if not self._talks or not self._talks[0].interruptible:
            return
        played, first = self._line.hearing.played, self._talks[0]
        heard = "" if not first.is_announced else first.text[: _letters(played - first.start)]
        self._talks.clear()
        self._line.hearing.clear()
        ms = max(0, played - first.start) // 8
        self._send({"type": "interrupt", "utteranceUntilInterrupt": heard, "durationUntilInterruptMs": ms})
        self._send(_info("agentSpeaking", "off"))

    # --- speech

    async def _follow_line(self) -> None:
        """Report what begins and ends to be heard."""
        while True:
            await self._line.until(self._has_changed)
            played = self._line.hearing.played
            first = self._talks[0]
            if not first.is_announced:
                first.is_announced = True
                self._send(_info("agentSpeaking", "on"))
            if played >= first.end:
                self._talks.popleft()
                self._send(_info("tokensPlayed", first.text))
                if not self._talks:
                    self._send(_info("agentSpeaking", "off"))

    def _has_changed(self) -> bool:
        played = self._line.hearing.played
        return bool(self._talks) and (
            played >= self._talks[0].end or (played > self._talks[0].start and not self._talks[0].is_announced)
        )

    # --- messages

    def _send(self, message: dict[str, Any]) -> None:
        events = self._attributes.get("events", "")
        if (
            message["type"] == "info"
            and ("tokens-played" if message["name"] == "tokensPlayed" else "speaker") not in events
        ):
            return
        if self._socket is None:
            self._waiting.append(message)
            return
        self.sent.append({"at": time.time(), **message})
        self._socket.send(orjson.dumps(message))

    def _take(self, raw: bytes) -> None:
        try:
            message = orjson.loads(raw)
            kind = message["type"]
            self.received.append({"at": time.time(), **message})
            self._understand(kind, message)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            self._call.note("error", code=self.invalid_message, about=f"{error}: {raw[:200]!r}")

    def _understand(self, kind: str, message: dict[str, Any]) -> None:
        if kind == "text":
            self._say(message)
        elif kind == "end":
            self._over.set()
        elif kind == "sendDigits":
            self._call.note("digits", digits=str(message["digits"]))
        elif kind not in ("play", "language"):
            raise ValueError(f"unknown type {kind[:40]!r}")

    def _say(self, message: dict[str, Any]) -> None:
        text = message["token"]
        if not isinstance(text, str) or not isinstance(message.get("last"), bool):
            raise TypeError("token and last")
        if not text.strip():
            return
        hearing = self._line.hearing
        hearing.put(encode_mulaw(text))
        hearing.put(b"\xff" * (-hearing.queued % 160))
        start = max(hearing.played, self._talks[-1].end if self._talks else 0)
        self._talks.append(_Talk(text, message.get("interruptible", True), start, hearing.queued))
        self._call.note("relay.text", session=self.sid, text=text)

    def report(self) -> dict[str, Any]:
        return {
            "sid": self.sid,
            "attributes": dict(self._attributes),
            "connections": self.connections,
            "replayed": self.replayed,
            "sent": self.sent,
            "received": self.received,
        }


def _info(name: str, value: str) -> dict[str, Any]:
    return {"type": "info", "name": name, "value": value}


def _letters(played: int) -> int:
    return max(0, (played // 8 - START_MS) // ms_per_char)
