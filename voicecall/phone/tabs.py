"""The sockets of browser tabs, as the gateway passes them on: one JSON object per frame, in both directions.

The first frame is `connect`; the answer is `welcome` with the state of the phone. docs/phone.md lists the others.
"""

import asyncio
import logging
import re
from contextlib import suppress
from typing import Any, Final

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from voicecall.aio import end
from voicecall.phone.exchange import Exchange
from voicecall.phone.handset import Handset
from voicecall.phone.leg import Leg
from voicecall.phone.supervisor import ROLES, Supervisor

__all__ = ["Tabs"]

_DEVICE: Final = re.compile(r"[0-9a-f]{32}\Z")
_DIGIT: Final = re.compile(r"[0-9*#]\Z")
_PAYLOAD: Final = re.compile(r"[A-Za-z0-9+/]{212}[A-Za-z0-9+/=]{4}\Z")  # base64 of 160 bytes
_HEARTBEAT_S: Final = 10.0
_TICK_S: Final = 2.0
_LARGEST: Final = 16_384
_LONGEST_TEXT: Final = 500
_MARKS: Final = 256

_log = logging.getLogger(__name__)

Frame = dict[str, Any]


class Tabs:
    """`streams`: whether calls have media streams, so that the microphone is of use."""

    def __init__(self, exchange: Exchange, supervisor: Supervisor | None, *, streams: bool) -> None:
        self._exchange = exchange
        self._supervisor = supervisor
        self._streams = streams
        self._sockets: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One socket, until it closes."""
        ws = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_LARGEST, compress=False, timeout=2.0)
        await ws.prepare(request)
        self._sockets.add(ws)
        try:
            await self._serve(ws)
        finally:
            self._sockets.discard(ws)
        return ws

    async def close(self) -> None:
        for ws in list(self._sockets):
            with suppress(ConnectionError):
                await ws.close(code=WSCloseCode.GOING_AWAY, message=b"the exchange stops")

    async def _serve(self, ws: web.WebSocketResponse) -> None:
        hello = _frame(await ws.receive())
        if hello is None or hello.get("event") != "connect" or not _DEVICE.match(str(hello.get("device"))):
            await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"connect first")
            return
        handset = self._exchange.handset(hello["device"])
        if handset is None:
            await ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too many phones")
            return
        await self._attach(handset, ws, hello)
        ticking = asyncio.create_task(_tick(handset))
        try:
            async for message in ws:
                frame = _frame(message)
                if frame is not None and (wrong := await self._take(handset, frame)):
                    handset.send("refused", message=wrong)
        finally:
            await end(ticking)
            if handset.detach(ws):
                self._exchange.absent(handset)

    async def _attach(self, handset: Handset, ws: web.WebSocketResponse, hello: Frame) -> None:
        await handset.replace()
        leg, held, got = self._exchange.leg_of(handset), hello.get("held"), hello.get("got")
        lost = handset.attach(
            ws,
            self._welcome(leg.facts() if leg is not None else None),
            held={str(mark) for mark in held[:_MARKS]} if isinstance(held, list) else set(),
            got=got if type(got) is int and got >= 0 else None,
        )
        self._exchange.present(handset)
        if leg is not None:
            await leg.came_back(handset, lost)

    def _welcome(self, call: Frame | None) -> Frame:
        numbers = self._exchange.numbers
        return {
            "event": "welcome",
            "number": numbers.phone,
            "agents": list(numbers.agents),
            "streams": self._streams,
            "kills": list(ROLES) if self._supervisor is not None else [],
            "graceS": self._exchange.grace_s,
            "call": call,
        }

    async def _take(self, handset: Handset, frame: Frame) -> str:
        """Act on a frame of the tab. Returns what is wrong with it, for the person at the page."""
        leg = self._exchange.leg_of(handset)
        if await _is_media(leg, frame) or _is_receipt(handset, frame):
            return ""
        match frame:
            case {"event": "call"}:
                return self._exchange.call(handset, str(frame.get("to") or self._exchange.numbers.agents[0]))
            case {"event": "answer", "leg": str(name)}:
                return self._exchange.answer(handset, name)
            case {"event": "decline", "leg": str(name)}:
                self._exchange.decline(handset, name)
            case {"event": "kill", "role": str(role)} if role in ROLES:
                return await self._kill(role, leg.call if leg is not None else "")
            case _:
                return _of_call(leg, frame)
        return ""

    async def _kill(self, role: str, call: str) -> str:
        if self._supervisor is None:
            return "no supervisor started these processes; run them with `voicecall dev`"
        wrong = await self._supervisor.kill(role, call)
        if not wrong:
            self._exchange.send_all("killed", role=role)
        return wrong


async def _tick(handset: Handset) -> None:
    """Let the tab know that its socket is alive: it cannot see pings."""
    while True:
        await asyncio.sleep(_TICK_S)
        handset.send("tick")


async def _is_media(leg: Leg | None, frame: Frame) -> bool:
    """Pass a media frame on to the call, if there is one still. False for any other frame."""
    match frame:
        case {"event": "audio", "stream": str(stream), "payload": str(payload)} if _PAYLOAD.match(payload):
            if leg is not None:
                await leg.spoke(stream, payload)
        case {"event": "mark", "name": str(name)}:
            if leg is not None:
                await leg.played(name)
        case {"event": "key", "digit": str(digit)} if _DIGIT.match(digit):
            if leg is not None:
                await leg.pressed(digit)
        case _:
            return False
    return True


def _is_receipt(handset: Handset, frame: Frame) -> bool:
    """Note which frames the tab has. False for any other frame."""
    match frame:
        case {"event": "got", "seq": int(number)}:
            handset.confirm(number)
            return True
        case _:
            return False


def _of_call(leg: Leg | None, frame: Frame) -> str:
    """What the person does in a call, besides speaking. Returns why it cannot be done."""
    if leg is None:
        return "there is no call"
    match frame:
        case {"event": "say", "text": str(text)} if text.strip():
            return leg.typed(text.strip()[:_LONGEST_TEXT])
        case {"event": "said", "number": int(number)}:
            leg.prompted(number)
        case {"event": "hangup"}:
            leg.end("completed")
        case _:
            return "the exchange does not understand this page; load it again"
    return ""


def _frame(message: Any) -> Frame | None:
    """The object in a frame; None for anything else."""
    if message.type is not WSMsgType.TEXT:
        return None
    with suppress(orjson.JSONDecodeError):
        frame = orjson.loads(message.data)
        return frame if isinstance(frame, dict) else None
    return None
