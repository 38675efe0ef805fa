"""The first frame of a socket whose handshake carried no token: awaited for five seconds in one of few slots.

At a limit the socket that has waited longest goes, not the newcomer (attack 76). Used by `sockets`, which answers.
"""

import asyncio
from typing import Annotated, Final

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from gateway.authenticator import Authenticator, Principal
from voicecall import metrics
from voicecall.api.errors import Unauthorized
from voicecall.api.frames import Request
from voicecall.errors import Unavailable
from voicecall.slots import Slots

__all__ = ["connected", "first_frame"]

_FIRST_FRAME_S: Final = 5.0


class _Auth(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    token: Annotated[str, StringConstraints(max_length=4096)] = ""


class _Connect(BaseModel):
    """Clients may send more about themselves; only the token is read."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    auth: _Auth = _Auth()


async def first_frame(ws: web.WebSocketResponse, waiting: Slots, sender: str) -> str:
    """The frame's text. Raises Unauthorized when none comes, Unavailable when a newcomer needs the slot."""
    is_evicted = False

    def evict() -> None:
        nonlocal is_evicted
        is_evicted = True
        if not deadline.expired():
            deadline.reschedule(0)

    try:
        async with asyncio.timeout(_FIRST_FRAME_S) as deadline:
            with waiting.held(sender, evict):
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


def connected(frame: Request, authenticator: Authenticator, sender: str) -> Principal:
    """The holder of the token in the frame. Raises Unauthorized, and Exhausted when the sender guesses."""
    if frame.method != "connect":
        raise Unauthorized("connect with a token first")
    principal = authenticator.authenticate(_token(frame), sender)
    if principal is None:
        raise Unauthorized("the token is missing or wrong")
    return principal


def _token(frame: Request) -> str:
    try:
        return _Connect.model_validate(frame.params).auth.token
    except ValidationError:
        return ""
