"""One WebSocket of an API client: request frames in, answer and event frames out, many requests at once.

Used by `app`. The first frame is `connect` with the token, unless the handshake carried it; then requests run
concurrently, each answered under its own id. When the socket closes, its waiting requests end; calls are not affected.
"""

import asyncio
import contextlib
import logging
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from gateway.agents import Host, Hosts
from gateway.authenticator import Authenticator, Principal
from gateway.feed import Feeds
from gateway.first_frame import connected, first_frame
from gateway.host_frames import HOST_EVENTS, host_event, read_host_event
from gateway.rpc import Rpc, validated
from voicecall import metrics
from voicecall.api.errors import Unauthorized
from voicecall.api.frames import Request, error_frame, read_request, result_frame
from voicecall.api.methods import METHODS, REGISTER, SOCKET_METHODS, SUBSCRIBE, UNSUBSCRIBE
from voicecall.api.params import SubscribeParams
from voicecall.api.scopes import Scope
from voicecall.connections import sender
from voicecall.errors import Conflict, Exhausted, InvalidRequest, Refusal
from voicecall.slots import Slots

__all__ = ["ClientSocket"]

_MAX_REQUESTS: Final = 32
_MAX_SUBSCRIPTIONS: Final = 16
_MAX_INVALID_FRAMES: Final = 32  # of an agent host, before its socket is closed
_REFUSED_S: Final = 0.5
_HEARTBEAT_S: Final = 20.0
_PROTOCOL: Final = 1

_log = logging.getLogger(__name__)


class ClientSocket:
    """`principal` None: the first frame must authenticate; until then the socket holds a slot of `waiting`.

    `largest`: bytes of one frame. `listen_scope`: what a token needs to listen in; None: no one may.
    """

    def __init__(
        self,
        rpc: Rpc,
        feeds: Feeds,
        hosts: Hosts,
        authenticator: Authenticator,
        waiting: Slots,
        *,
        principal: Principal | None,
        largest: int,
        listen_scope: Scope | None = None,
    ) -> None:
        self._rpc = rpc
        self._feeds = feeds
        self._hosts = hosts
        self._host: Host | None = None
        self._invalid_frames = 0
        self._authenticator = authenticator
        self._waiting = waiting
        self._principal = principal
        self._listen_scope = listen_scope
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
        """Answer the handshake and process frames until the socket closes."""
        await self._ws.prepare(request)
        self._transport = request.transport
        try:
            if await self._authenticate(sender(request.remote)):
                async for message in self._ws:
                    if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                        continue
                    await self._receive(message.data)
        finally:
            await self._clean_up()
        return self._ws

    async def close(self) -> None:
        await self._ws.close(code=WSCloseCode.GOING_AWAY, message=b"gateway is shutting down")

    async def _authenticate(self, sender: str) -> bool:
        """Read the first frame where the handshake carried no token. False: refused, and the socket is closing."""
        if self._principal is not None:
            return True
        request_id: str | int = ""
        try:
            frame = read_request(await first_frame(self._ws, self._waiting, sender))
            request_id = frame.id
            self._principal = connected(frame, self._authenticator, sender)
        except Refusal as refusal:
            metrics.RPC.labels("connect", refusal.code).inc()
            await self._send(error_frame(request_id, refusal))
            await self._close_refused(refusal)
            return False
        await self._send(result_frame(request_id, self._hello()))
        return True

    async def _close_refused(self, refusal: Refusal) -> None:
        """Close, or cut off a peer that does not answer the close frame: its connection counts until then."""
        code = WSCloseCode.TRY_AGAIN_LATER if refusal.retryable else WSCloseCode.POLICY_VIOLATION
        try:
            async with asyncio.timeout(_REFUSED_S):
                await self._ws.close(code=code, message=refusal.code.lower().encode())
        except TimeoutError:
            self._drop()

    async def _receive(self, data: str | bytes) -> None:
        if self._host is not None and await self._is_host_event(self._host, data):
            return
        try:
            request = read_request(data)
        except InvalidRequest as refusal:
            await self._send(error_frame("", refusal))
            return
        if len(self._running) >= _MAX_REQUESTS:
            metrics.SHED.labels("rpc-socket").inc()
            busy = Exhausted(f"{_MAX_REQUESTS} requests of this socket are in flight", retry_after_ms=1000)
            await self._send(error_frame(request.id, busy))
            return
        task = asyncio.create_task(self._answer(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _is_host_event(self, host: Host, data: str | bytes) -> bool:
        """Process an event frame of a host; False for a request.

        Events keep their order; only an invalid one is answered.
        """
        try:
            event = read_host_event(data)
            if event is not None:
                await self._hosts.receive(host, event)
        except InvalidRequest as refusal:
            self._invalid_frames += 1
            await self._send(host_event("agent.refused", {"code": refusal.code, "message": refusal.message}))
            if self._invalid_frames >= _MAX_INVALID_FRAMES:
                await self._ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many invalid frames")
            return True
        return event is not None

    def _register(self, request: Request) -> dict[str, Any]:
        """Make this socket an agent host. It speaks to callers, so its token needs the scope to act."""
        self._rpc.admit(self._authenticated(), REGISTER.scope)
        params = validated(REGISTER.params, request.params)
        if self._host is not None:
            raise Conflict("this socket is an agent host already; open another socket for another host")
        self._host = self._hosts.register(params, self._push, self._drop)
        return {"registered": True, "hostId": self._host.id, "events": list(HOST_EVENTS)}

    async def _answer(self, request: Request) -> None:
        try:
            if request.method in {SUBSCRIBE.name, UNSUBSCRIBE.name}:
                await self._change_subscription(request)
            else:
                await self._send(result_frame(request.id, await self._payload(request)))
        except Refusal as refusal:
            await self._send(error_frame(request.id, refusal))

    async def _payload(self, request: Request) -> dict[str, Any]:
        if request.method == "connect":
            return self._hello()
        if request.method == REGISTER.name:
            return self._register(request)
        return await self._rpc.answer(request, self._authenticated())

    def _authenticated(self) -> Principal:
        if self._principal is None:
            raise Unauthorized("connect with a token first")
        return self._principal

    def _hello(self) -> dict[str, Any]:
        methods = [method.name for method in (*METHODS, *SOCKET_METHODS)]
        scopes = sorted(self._principal.scopes) if self._principal is not None else []
        features = {"methods": sorted(methods), "scopes": scopes, "listen": self._listen_scope in scopes}
        return {"type": "hello-ok", "protocol": _PROTOCOL, "features": features}

    async def _change_subscription(self, request: Request) -> None:
        """Begin or end a subscription: one change at a time; its answer precedes the first item."""
        if request.method == UNSUBSCRIBE.name:
            self._rpc.admit(self._authenticated(), UNSUBSCRIBE.scope)
            name = validated(UNSUBSCRIBE.params, request.params).subscription
            async with self._changing:
                ended = await self._end_subscription(name)
            await self._send(result_frame(request.id, {"unsubscribed": ended, "subscription": name}))
            return
        self._rpc.admit(self._authenticated(), SUBSCRIBE.scope)
        params = validated(SUBSCRIBE.params, request.params)
        self._feeds.check(params)
        async with self._changing:
            # A new subscription replaces the older one of its name.
            await self._end_subscription(params.subscription)
            if len(self._subscriptions) >= _MAX_SUBSCRIPTIONS:
                raise Exhausted(f"this socket has {_MAX_SUBSCRIPTIONS} subscriptions; end one, or open another socket")
            await self._send(result_frame(request.id, {"subscribed": True, "subscription": params.subscription}))
            self._subscriptions[params.subscription] = asyncio.create_task(self._follow(params))

    async def _end_subscription(self, name: str) -> bool:
        """Whether it existed; no item of it is sent after this returns."""
        task = self._subscriptions.pop(name, None)
        if task is not None:
            await _cancel(task)
        return task is not None

    async def _follow(self, params: SubscribeParams) -> None:
        # A closed socket ends the subscription: `serve` is about to notice it as well.
        with contextlib.suppress(ConnectionError):
            await self._feeds.follow(params, self._push)

    async def _push(self, frame: bytes) -> None:
        await self._ws.send_str(frame.decode())

    def _drop(self) -> None:
        """Close the connection at once: a close frame would wait behind the frames that were not read."""
        if self._transport is not None:
            self._transport.abort()

    async def _send(self, frame: bytes) -> None:
        try:
            await self._ws.send_str(frame.decode())
        except ConnectionError:
            # The loop in `serve` notices the closed socket as well, and cleans up.
            _log.debug("answer to a closed socket")

    async def _clean_up(self) -> None:
        if self._host is not None:
            await self._hosts.unregister(self._host)
        await _cancel(*self._running, *self._subscriptions.values())


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            _log.error("socket task failed", exc_info=outcome)
