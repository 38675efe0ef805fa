"""Listening in: the socket on which one hears a live call, both sides, as they are received and played.

The first frame is `connect` with the token and the call; then come the audio in binary frames (docs/rpc.md) and texts
about it. The call's ingress is asked for the audio, again and again; when this gateway or its client is gone, that ends
by itself. A client that reads too slowly loses audio, and the call knows of no one. Who listened, and for how long, is
in the log.
"""

import asyncio
import logging
import secrets
import struct
import time
from collections import deque
from contextlib import AsyncExitStack, suppress
from typing import Annotated, Final

import orjson
from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from redis.asyncio import Redis

from gateway.authenticator import Authenticator, Principal
from gateway.first_frame import REFUSED_S, ConnectSockets, connected
from gateway.rpc import Rpc
from voicecall.aio import Background, end
from voicecall.api.errors import Forbidden
from voicecall.api.frames import Request, problem_of, result_frame
from voicecall.api.scopes import Scope
from voicecall.bus.media.taps import Sound, TapReader
from voicecall.call.ids import CallId, is_call_id
from voicecall.call.state import Call
from voicecall.connections import sender
from voicecall.errors import BusError, Exhausted, Failed, InvalidRequest, NotFound, Unavailable
from voicecall.service import CallService
from voicecall.settings import ListenScope
from voicecall.slots import Slots

__all__ = ["ListenRoutes", "listen_scope"]

_MOST: Final = 16
_LARGEST: Final = 4096
_LEASE_S: Final = 4.0
_RENEW_S: Final = 1.0
_BOUND_MS: Final = 2_000  # of audio that waits for the client, both sides together; beyond, the oldest is dropped

_NATIVE: Final = (
    "the carrier itself speaks and listens on this call (native mode or relay), so no audio of it passes through here;"
    " the conversation is there as text"
)

_log = logging.getLogger(__name__)


def listen_scope(setting: ListenScope) -> Scope | None:
    """The scope that a token needs to listen in; None: no one may."""
    return {ListenScope.WRITE: Scope.WRITE, ListenScope.READ: Scope.READ, ListenScope.OFF: None}[setting]


class _Wanted(BaseModel):
    """What the first frame asks for. The token in it is read by `first_frame`."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    call_id: Annotated[str, StringConstraints(max_length=64)]

    @classmethod
    def of(cls, frame: Request) -> CallId:
        """Raises InvalidRequest."""
        try:
            wanted = cls.model_validate({"call_id": frame.params.get("callId")})
        except ValidationError as error:
            raise InvalidRequest(problem_of(error).replace("call_id", "callId")) from error
        if not is_call_id(wanted.call_id):
            raise InvalidRequest("callId: is not the id of a call; `voicecall.status` lists those of the live calls")
        return CallId(wanted.call_id)


class ListenRoutes:
    """`GET /listen`. `scope`: as of `listen_scope`; `waiting`: places of sockets whose first frame is awaited."""

    def __init__(
        self,
        redis: Redis,
        calls: CallService,
        rpc: Rpc,
        authenticator: Authenticator,
        *,
        waiting: Slots,
        scope: Scope | None,
    ) -> None:
        self._redis = redis
        self._calls = calls
        self._rpc = rpc
        self._authenticator = authenticator
        self._scope = scope
        self._count = 0
        about = "this is a socket: docs/rpc.md says what it speaks\n"
        self._sockets = ConnectSockets(authenticator, waiting, largest=_LARGEST, about=about)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/listen", self._listen)]

    async def close(self) -> None:
        await self._sockets.close()

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        async def use(ws: web.WebSocketResponse, frame: Request) -> None:
            principal = self._admitted(frame, sender(request.remote))
            call = await self._call(_Wanted.of(frame))
            await self._serve(ws, frame.id, call, principal)

        return await self._sockets.serve(request, use)

    def _admitted(self, frame: Request, sender_: str) -> Principal:
        """Who may listen in. Raises Refusal."""
        principal = connected(frame, self._authenticator, sender_)
        if self._scope is None:
            raise Forbidden("listening in is switched off at this gateway (VOICECALL_GATEWAY_LISTEN)")
        self._rpc.admit(principal, self._scope)
        if self._count >= _MOST:
            raise Exhausted(f"{_MOST} listen in through this gateway already", retry_after_ms=10_000)
        return principal

    async def _call(self, call_id: CallId) -> Call:
        """The call, while there is something to hear, or will be. Raises Refusal."""
        call = await self._calls.status(call_id)
        if call is None:
            raise NotFound("Call not found", call_id=call_id)
        if (silent := _nothing_to_hear(call)) is not None:
            raise Failed(silent, call_id=call_id)
        return call

    async def _serve(self, ws: web.WebSocketResponse, frame_id: str | int, call: Call, who: Principal) -> None:
        listener = _Listener(ws, self._redis, self._calls, call.id)
        facts = {"call_id": call.id, "listener": listener.name, "token": who.name}
        began = time.time()
        self._count += 1
        _log.info("listening in began", extra=facts)
        try:
            await ws.send_str(result_frame(frame_id, {"type": "hello-ok", "audio": _FORMAT}).decode())
            await listener.run(call)
        finally:
            self._count -= 1
            seconds = {"from": began, "to": time.time(), "lost_ms": listener.lost_ms}
            _log.info("listening in ended", extra={**facts, **seconds})


_FORMAT: Final = {"encoding": "mulaw", "sampleRate": 8000, "sides": ["caller", "agent"]}


def _nothing_to_hear(call: Call) -> str | None:
    """Why nothing can be heard of this call, now and later; None: something can."""
    if call.is_over:
        return "Call has ended"
    carrier_speaks = call.is_native or call.is_relayed
    return _NATIVE if carrier_speaks and not call.is_provisional else None


class _Listener:
    """One client that hears one call. `name` is that of its channel; `lost_ms`: audio that it did not read in time."""

    def __init__(self, ws: web.WebSocketResponse, redis: Redis, calls: CallService, call: CallId) -> None:
        self.name = secrets.token_hex(8)
        self.lost_ms = 0
        self._ws = ws
        self._calls = calls
        self._call = call
        self._reader = TapReader(redis, call, self.name, self._take)
        self._waiting: deque[Sound] = deque()
        self._waiting_ms = 0
        self._arrived = asyncio.Event()
        self._state = ""

    async def run(self, call: Call) -> None:
        """Serve until the client goes, or the call has nothing more to hear."""
        background = Background()
        sending = asyncio.create_task(self._send())
        asking = asyncio.create_task(self._ask(call))
        reading = asyncio.create_task(self._read())
        try:
            async with AsyncExitStack() as parts:
                await parts.enter_async_context(background.running("tap", self._reader.run()))
                await asyncio.wait((sending, asking, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, asking, reading):
                await end(task)
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(REFUSED_S):
                await self._ws.close()

    def _take(self, sounds: tuple[Sound, ...]) -> None:
        for sound in sounds:
            self._waiting.append(sound)
            self._waiting_ms += len(sound.mulaw) // 8
        while self._waiting_ms > _BOUND_MS and self._waiting:
            lost = len(self._waiting.popleft().mulaw) // 8
            self._waiting_ms -= lost
            self.lost_ms += lost
        self._arrived.set()

    async def _send(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                sound = self._waiting.popleft()
                self._waiting_ms -= len(sound.mulaw) // 8
                await self._ws.send_bytes(struct.pack(">Bd", sound.side, sound.at_ms) + sound.mulaw)

    async def _read(self) -> None:
        """Return when the client is gone; what it sends says nothing."""
        async for message in self._ws:
            if message.type is WSMsgType.ERROR:
                return

    async def _ask(self, call: Call) -> None:
        """Ask for the audio again and again, until the call has nothing more to hear."""
        while True:
            await self._say("hearing" if call.stream is not None else "waiting")
            try:
                await self._reader.ask(None if call.stream is None else call.stream.ingress, _LEASE_S)
                await asyncio.sleep(_RENEW_S)
                found = await self._calls.status(self._call)
            except (BusError, Unavailable) as error:
                _log.warning("listening in interrupted", extra={"call_id": self._call, "error": str(error)})
                await asyncio.sleep(_RENEW_S)
                continue
            over = "Call has ended" if found is None else _nothing_to_hear(found)
            if found is None or over is not None:
                await self._say("over", reason=over)
                return
            call = found

    async def _say(self, state: str, *, reason: str | None = None) -> None:
        if state == self._state:
            return
        self._state = state
        payload = {"state": state, **({} if reason is None else {"reason": reason})}
        await self._ws.send_str(orjson.dumps({"type": "event", "event": "listen.state", "payload": payload}).decode())
