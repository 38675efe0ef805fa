"""The line to the gateway: one request with one answer, or the feed for as long as somebody watches.

Used by the commands. Knows frames and failures; does not know how anything is shown.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import orjson

from voicecall.errors import VoicecallError
from voicecall.settings import Deployment

__all__ = ["GatewayDown", "Refused", "TokenRefused", "ask", "watch"]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=900.0, connect=5.0)  # the gateway ends every wait well before this
_LARGEST: Final = 8 * 1024 * 1024
_LONGEST_DELAY_S: Final = 5.0


class GatewayDown(VoicecallError):
    """Nobody answers at the gateway's address, or not a gateway."""


class TokenRefused(VoicecallError):
    """The gateway does not know our token."""


class Refused(VoicecallError):
    """The gateway's refusal, in its own words."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.code = str(error.get("code", "UNKNOWN"))
        self.message = str(error.get("message", ""))
        self.call_id = error.get("callId")
        super().__init__(f"{self.code}: {self.message}")


async def ask(deployment: Deployment, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The payload. Raises GatewayDown, TokenRefused or Refused."""
    body = orjson.dumps({"type": "req", "id": "1", "method": method, "params": params})
    headers = {"Content-Type": "application/json", **_authorization(deployment)}
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.post(f"{deployment.gateway_url}/rpc", data=body, headers=headers) as answer,
        ):
            frame = _read(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise GatewayDown(_reason(error)) from error
    return _payload(frame)


async def watch(
    deployment: Deployment,
    *,
    last: int,
    call_id: str | None,
    on_loss: Callable[[str], None],
) -> AsyncIterator[dict[str, Any]]:
    """Items of the feed: the `last` newest, then each as it happens, for ever, through any number of lost sockets.

    `on_loss` is told why each time. Raises as `ask` when not even the first connection works.
    """
    at: str | None = None
    connected, delay_s = False, 0.25
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
        while True:
            params: dict[str, Any] = {"last": last} if at is None else {"since": at}
            if call_id is not None:
                params["callId"] = call_id
            try:
                async with contextlib.aclosing(_items(http, deployment, params)) as items:
                    async for item in items:
                        # The first frame is the gateway's consent; from here on a loss is worth another try.
                        connected, delay_s = True, 0.25
                        if item:
                            at = item["id"]
                            yield item
            except GatewayDown as error:
                if not connected:
                    raise
                on_loss(str(error))
                await asyncio.sleep(random.uniform(0, delay_s))
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)


async def _items(
    http: aiohttp.ClientSession,
    deployment: Deployment,
    params: dict[str, Any],
) -> AsyncGenerator[dict[str, Any], None]:
    """An empty item when the subscription stands, then the feed; ends by raising, as `ask` does."""
    try:
        async with http.ws_connect(
            f"{deployment.gateway_url}/",
            headers=_authorization(deployment),
            heartbeat=20.0,
            max_msg_size=_LARGEST,
        ) as socket:
            await socket.send_json({"type": "req", "id": "1", "method": "voicecall.subscribe", "params": params})
            async for message in socket:
                frame = _read(message.data)
                if frame.get("type") == "res":
                    _payload(frame)
                    yield {}
                elif frame.get("event") == "voicecall.feed":
                    yield frame["payload"]
            raise GatewayDown("the socket was closed")
    except aiohttp.WSServerHandshakeError as error:
        if error.status == 401:
            raise TokenRefused("the token is missing or wrong") from error
        raise GatewayDown(f"HTTP {error.status}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise GatewayDown(_reason(error)) from error


def _authorization(deployment: Deployment) -> dict[str, str]:
    token = deployment.gateway_token
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _read(data: str | bytes) -> dict[str, Any]:
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise GatewayDown("what answers there is no gateway") from error
    if not isinstance(frame, dict) or frame.get("type") not in {"res", "event"}:
        raise GatewayDown("what answers there is no gateway")
    return frame


def _payload(frame: dict[str, Any]) -> dict[str, Any]:
    if frame.get("ok") is True and isinstance(frame.get("payload"), dict):
        payload: dict[str, Any] = frame["payload"]
        return payload
    error = frame.get("error")
    refused = Refused(error if isinstance(error, dict) else {})
    if refused.code == "UNAUTHORIZED":
        raise TokenRefused(refused.message)
    raise refused


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # The operating system's words are for people; the library's are not.
    number = getattr(getattr(error, "os_error", error), "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else str(error) or type(error).__name__
