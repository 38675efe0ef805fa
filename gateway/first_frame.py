"""The first frame of a socket whose handshake carried no token: awaited for five seconds in one of few slots.

At a limit the socket that has waited longest goes, not the newcomer (attack 76). Used by `sockets`, which answers, and
by the routes whose sockets do one thing each, which `ConnectSockets` opens and closes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Final
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from gateway.authenticator import Authenticator, Principal
from voicecall import metrics
from voicecall.api.errors import Unauthorized
from voicecall.api.frames import Request, error_frame, read_request
from voicecall.connections import sender
from voicecall.errors import Refusal, Unavailable
from voicecall.slots import Slots

__all__ = ["REFUSED_S", "ConnectSockets", "connected", "first_frame"]

REFUSED_S: Final = 0.5
"""How long a peer may take to read the last words to it."""

_FIRST_FRAME_S: Final = 5.0
_HEARTBEAT_S: Final = 10.0

_log = logging.getLogger(__name__)


class _Auth(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    token: Annotated[str, StringConstraints(max_length=4096)] = ""


class _Connect(BaseModel):
    """Clients may send more about themselves; only the token is read."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    auth: _Auth = _Auth()


async def first_frame(ws: web.WebSocketResponse, waiting: Slots, from_: str) -> str:
    """The frame's text. Raises Unauthorized when none comes, Unavailable when a newcomer needs the slot."""
    is_evicted = False

    def evict() -> None:
        nonlocal is_evicted
        is_evicted = True
        if not deadline.expired():
            deadline.reschedule(0)

    try:
        async with asyncio.timeout(_FIRST_FRAME_S) as deadline:
            with waiting.held(from_, evict):
                message = await ws.receive()
    except TimeoutError:
        if is_evicted:
            metrics.SHED.labels("rpc-strangers").inc()
            why = "too many sockets wait for their first frame; send the token with the handshake"
            raise Unavailable(why, retry_after_ms=1000) from None
        raise Unauthorized("connect with a token first") from None
    if message.type is not WSMsgType.TEXT:
        raise Unauthorized("connect with a token first")
    return str(message.data)


def connected(frame: Request, authenticator: Authenticator, from_: str) -> Principal:
    """The holder of the token in the frame. Raises Unauthorized, and Exhausted when the sender guesses."""
    if frame.method != "connect":
        raise Unauthorized("connect with a token first")
    principal = authenticator.authenticate(_token(frame), from_)
    if principal is None:
        raise Unauthorized("the token is missing or wrong")
    return principal


def _token(frame: Request) -> str:
    try:
        return _Connect.model_validate(frame.params).auth.token
    except ValidationError:
        return ""


Use = Callable[[web.WebSocketResponse, Request], Awaitable[None]]
"""Serves a socket after its first frame, to its end. Raises Refusal."""


class ConnectSockets:
    """The sockets of one route: each is opened by a `connect` frame, and learns why when it is refused.

    `largest`: bytes of one frame. `about`: the answer to a request that is no handshake.
    """

    def __init__(self, authenticator: Authenticator, waiting: Slots, *, largest: int, about: str) -> None:
        self._authenticator = authenticator
        self._waiting = waiting
        self._largest = largest
        self._about = about
        self._sockets: WeakSet[web.WebSocketResponse] = WeakSet()

    def refused(self, request: web.Request) -> web.Response | None:
        """The answer to a foreign web page."""
        if self._authenticator.is_foreign(request.headers):
            return web.Response(status=403, text="requests of foreign web pages are refused\n")
        return None

    async def serve(self, request: web.Request, use: Use) -> web.StreamResponse:
        """Answer one request: refuse it, or open its socket and let `use` serve it."""
        if (refused := self.refused(request)) is not None:
            return refused
        if not web.WebSocketResponse().can_prepare(request):
            return web.Response(status=426, text=self._about)
        ws = web.WebSocketResponse(max_msg_size=self._largest, heartbeat=_HEARTBEAT_S, compress=False, timeout=2.0)
        await ws.prepare(request)
        self._sockets.add(ws)
        frame_id: str | int = ""
        try:
            frame = read_request(await first_frame(ws, self._waiting, sender(request.remote)))
            frame_id = frame.id
            await use(ws, frame)
        except Refusal as refusal:
            metrics.RPC.labels("connect", refusal.code).inc()
            await _refuse(ws, frame_id, refusal)
        except ConnectionError:
            _log.info("socket lost", extra={"path": request.path})
        return ws

    async def close(self) -> None:
        for ws in list(self._sockets):
            with suppress(ConnectionError):
                await ws.close(code=WSCloseCode.GOING_AWAY, message=b"gateway is shutting down")


async def _refuse(ws: web.WebSocketResponse, frame_id: str | int, refusal: Refusal) -> None:
    """Say why, then close: with 1013 where trying again may help."""
    code = WSCloseCode.TRY_AGAIN_LATER if refusal.retryable else WSCloseCode.POLICY_VIOLATION
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(REFUSED_S):
            await ws.send_str(error_frame(frame_id, refusal).decode())
            await ws.close(code=code, message=refusal.code.lower().encode())
