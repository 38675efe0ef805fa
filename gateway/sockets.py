"""One WebSocket of a local caller: frames in, frames out, many requests at once.

Used by the app. The first frame is `connect` with the token unless the handshake carried it; then requests run side by
side, each answered under its own id. When the socket goes, its waits go with it; calls do not.
"""

import asyncio
import contextlib
import logging
from typing import Annotated, Any, Final

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from gateway.agents import Host, Hosts
from gateway.authenticator import Authenticator, Caller, Scope
from gateway.feed import Feeds
from gateway.host_frames import Register, host_event, read_said
from gateway.rpc import Rpc, checked
from voicecall import metrics
from voicecall.api.frames import Request, Unauthorized, error_frame, read_request, result_frame
from voicecall.api.params import Subscribe, Unsubscribe
from voicecall.errors import Conflict, Exhausted, InvalidRequest, Refusal

__all__ = ["Socket"]

_IN_FLIGHT: Final = 32
_SUBSCRIPTIONS: Final = 16
_MISDEEDS: Final = 32  # frames of a host that make no sense, until it is shown the door
_FIRST_FRAME_S: Final = 5.0
_HEARTBEAT_S: Final = 20.0
_PROTOCOL: Final = 1

_log = logging.getLogger(__name__)


class _Auth(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    token: Annotated[str, StringConstraints(max_length=4096)] = ""


class _Connect(BaseModel):
    """A host's `connect` tells much about itself; only its token matters here."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    auth: _Auth = _Auth()


class Socket:
    """`is_greeting`: nobody knows yet who this is."""

    def __init__(
        self, rpc: Rpc, feeds: Feeds, hosts: Hosts, authenticator: Authenticator, *, caller: Caller | None, largest: int
    ) -> None:
        self._rpc = rpc
        self._feeds = feeds
        self._hosts = hosts
        self._host: Host | None = None
        self.is_greeting = caller is None
        self._misdeeds = 0
        self._authenticator = authenticator
        self._caller = caller
        self._ws = web.WebSocketResponse(
            max_msg_size=largest,
            compress=False,
            heartbeat=_HEARTBEAT_S,
            autoping=True,
            timeout=2.0,
        )
        self._transport: asyncio.Transport | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._changing = asyncio.Lock()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        await self._ws.prepare(request)
        self._transport = request.transport
        try:
            known = await self._greeted()
            self.is_greeting = False
            if known:
                async for message in self._ws:
                    if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                        continue
                    await self._take(message.data)
        finally:
            self.is_greeting = False
            await self._leave()
        return self._ws

    async def close(self) -> None:
        await self._ws.close(code=WSCloseCode.GOING_AWAY, message=b"gateway is going down")

    async def _greeted(self) -> bool:
        """True when we know who this is; False when the socket is to be closed."""
        if self._caller is not None:
            return True
        try:
            async with asyncio.timeout(_FIRST_FRAME_S):
                message = await self._ws.receive()
        except TimeoutError:
            message = None
        frame = Request(method="none")
        try:
            if message is None or message.type is not WSMsgType.TEXT:
                raise Unauthorized("connect with a token first")
            frame = read_request(message.data)
            self._caller = self._authenticator.recognise(_token(frame)) if frame.method == "connect" else None
            if self._caller is None:
                raise Unauthorized("the token is missing or wrong")
        except Refusal as refusal:
            metrics.RPC.labels("connect", refusal.code).inc()
            await self._send(error_frame(frame.id, refusal))
            await self._ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"unauthorized")
            return False
        await self._send(result_frame(frame.id, self._hello()))
        return True

    async def _take(self, data: str | bytes) -> None:
        if self._host is not None and await self._host_said(self._host, data):
            return
        try:
            request = read_request(data)
        except InvalidRequest as refusal:
            await self._send(error_frame("", refusal))
            return
        if len(self._running) >= _IN_FLIGHT:
            metrics.SHED.labels("rpc-socket").inc()
            busy = Exhausted(f"{_IN_FLIGHT} requests of this socket are in flight", retry_after_ms=1000)
            await self._send(error_frame(request.id, busy))
            return
        task = asyncio.create_task(self._answer(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _host_said(self, host: Host, data: str | bytes) -> bool:
        """Whether the frame was news of a turn; those are taken in their order, and answered only when wrong."""
        try:
            said = read_said(data)
            if said is not None:
                await self._hosts.take(host, said)
        except InvalidRequest as refusal:
            self._misdeeds += 1
            await self._send(host_event("agent.refused", {"code": refusal.code, "message": refusal.message}))
            if self._misdeeds >= _MISDEEDS:
                await self._ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many frames that make no sense")
            return True
        return said is not None

    def _register(self, request: Request) -> dict[str, Any]:
        """This socket's program finds words for calls from now on: it speaks in our name, so it must be able to act."""
        self._rpc.admit(self._known(), Scope.WRITE)
        asked = checked(Register, request.params)
        if self._host is not None:
            raise Conflict("this socket is an agent host already; open another socket for another host")
        self._host = self._hosts.welcome(asked, self._push, self._drop)
        return {"registered": True, "hostId": self._host.id}

    async def _answer(self, request: Request) -> None:
        try:
            if request.method in {"voicecall.subscribe", "voicecall.unsubscribe"}:
                await self._change(request)
            else:
                await self._send(result_frame(request.id, await self._payload(request)))
        except Refusal as refusal:
            await self._send(error_frame(request.id, refusal))

    async def _payload(self, request: Request) -> dict[str, Any]:
        if request.method == "connect":
            return self._hello()
        if request.method == "voicecall.agent.register":
            return self._register(request)
        return await self._rpc.answer(request, self._known())

    def _known(self) -> Caller:
        if self._caller is None:
            raise Unauthorized("connect with a token first")
        return self._caller

    def _hello(self) -> dict[str, Any]:
        methods = ["voicecall.agent.register", "voicecall.subscribe", "voicecall.unsubscribe", *self._rpc.methods]
        scopes = sorted(self._caller.scopes) if self._caller is not None else []
        features = {"methods": sorted(methods), "scopes": scopes}
        return {"type": "hello-ok", "protocol": _PROTOCOL, "features": features}

    async def _change(self, request: Request) -> None:
        """Begin or end a subscription: one change at a time, its answer before the first item."""
        self._rpc.admit(self._known(), Scope.READ)
        if request.method == "voicecall.unsubscribe":
            name = checked(Unsubscribe, request.params).subscription
            async with self._changing:
                ended = await self._unsubscribed(name)
            await self._send(result_frame(request.id, {"unsubscribed": ended, "subscription": name}))
            return
        asked = checked(Subscribe, request.params)
        async with self._changing:
            # The newest subscription of a name replaces the one before.
            await self._unsubscribed(asked.subscription)
            if len(self._subscriptions) >= _SUBSCRIPTIONS:
                raise Exhausted(f"this socket has {_SUBSCRIPTIONS} subscriptions; end one, or open another socket")
            await self._send(result_frame(request.id, {"subscribed": True, "subscription": asked.subscription}))
            self._subscriptions[asked.subscription] = asyncio.create_task(self._follow(asked))

    async def _unsubscribed(self, name: str) -> bool:
        """Whether there was one; when this returns, nothing more of it comes."""
        task = self._subscriptions.pop(name, None)
        if task is not None:
            await _cancelled(task)
        return task is not None

    async def _follow(self, asked: Subscribe) -> None:
        # A closed socket ends the subscription: `serve` is about to notice it as well.
        with contextlib.suppress(ConnectionError):
            await self._feeds.tell(asked, self._push)

    async def _push(self, frame: bytes) -> None:
        await self._ws.send_str(frame.decode())

    def _drop(self) -> None:
        """Close it now: a farewell would wait behind all that was not read."""
        if self._transport is not None:
            self._transport.abort()

    async def _send(self, frame: bytes) -> None:
        try:
            await self._ws.send_str(frame.decode())
        except ConnectionError:
            # Whoever asked is gone; the loop in `serve` sees it too, and cleans up.
            _log.debug("answer to a closed socket")

    async def _leave(self) -> None:
        if self._host is not None:
            await self._hosts.farewell(self._host)
        await _cancelled(*self._running, *self._subscriptions.values())


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            _log.error("socket task failed", exc_info=outcome)


def _token(frame: Request) -> str:
    try:
        return _Connect.model_validate(frame.params).auth.token
    except ValidationError:
        return ""
