"""The connection to a gateway: one request with one answer, or an endless feed.

Used by the clients. Knows frames, sockets and failures; does not know what a method means.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Final

import aiohttp
import orjson

from voicecall.aio import backoff
from voicecall.api.methods import SUBSCRIBE
from voicecall.client.failures import GatewayDown, Refused, TokenRefused

__all__ = ["Connection"]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=900.0, connect=5.0)  # the gateway ends every wait earlier
_LARGEST_FRAME: Final = 8 * 1024 * 1024
_FIRST_DELAY_S: Final = 0.25
_LONGEST_DELAY_S: Final = 5.0

Callback = Callable[[str], None]


class Connection:
    """`url`: without a trailing slash. Opened by its first use, closed by `close`; belongs to one event loop."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return its payload. Raises GatewayDown, TokenRefused or Refused."""
        body = orjson.dumps({"type": "req", "id": "1", "method": method, "params": params})
        headers = {"Content-Type": "application/json", **self._headers}
        try:
            async with self._session().post(f"{self._url}/rpc", data=body, headers=headers) as answer:
                frame = _read(await answer.read())
        except aiohttp.ClientConnectorError as error:
            raise GatewayDown(_reason(error), was_sent=False) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayDown(_reason(error)) from error
        return _payload(frame)

    async def watch(
        self,
        since: str | None,
        last: int,
        call_id: str | None,
        on_loss: Callback,
        on_gap: Callback,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Items of the feed: those after `since`, or the `last` newest; then each new one, endlessly.

        Reconnects after a lost socket, without missing or repeating an item. `on_loss` gets the reason of each loss,
        `on_gap` the id after which items are no longer kept. Raises as `ask` when the first connection fails.
        """
        at, connected, delays = since, False, _delays()
        while True:
            params: dict[str, Any] = {"last": last} if at is None else {"since": at}
            if call_id is not None:
                params["callId"] = call_id
            try:
                async with contextlib.aclosing(self._items(params, on_gap)) as items:
                    async for item in items:
                        # The subscription was accepted: from here on a loss leads to a reconnect.
                        connected, delays = True, _delays()
                        if item:
                            at = item["id"]
                            yield item
            except GatewayDown as error:
                if not connected:
                    raise
                on_loss(str(error))
                await asyncio.sleep(next(delays))

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._http

    async def _items(self, params: dict[str, Any], on_gap: Callback) -> AsyncGenerator[dict[str, Any], None]:
        """An empty item when the subscription is accepted, then the feed; ends by raising, as `ask` does."""
        try:
            async with self._session().ws_connect(
                f"{self._url}/",
                headers=self._headers,
                heartbeat=20.0,
                max_msg_size=_LARGEST_FRAME,
            ) as socket:
                await socket.send_json({"type": "req", "id": "1", "method": SUBSCRIBE.name, "params": params})
                async for message in socket:
                    frame = _read(message.data)
                    if frame.get("type") == "res":
                        _payload(frame)
                        yield {}
                    elif frame.get("event") == "voicecall.feed":
                        yield frame["payload"]
                    elif frame.get("event") == "voicecall.gap":
                        on_gap(str(frame["payload"].get("after")))
                raise GatewayDown("the socket was closed")
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                raise TokenRefused("the token is missing or wrong") from error
            raise GatewayDown(f"HTTP {error.status}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayDown(_reason(error)) from error


def _delays() -> Iterator[float]:
    return backoff(first_s=_FIRST_DELAY_S, most_s=_LONGEST_DELAY_S, jitter=(0.0, 1.0))


def _read(data: str | bytes) -> dict[str, Any]:
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise GatewayDown("the server at this address is not a gateway") from error
    if not isinstance(frame, dict) or frame.get("type") not in {"res", "event"}:
        raise GatewayDown("the server at this address is not a gateway")
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
    # The operating system's message is meant for users; the library's is not.
    number = getattr(getattr(error, "os_error", error), "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else str(error) or type(error).__name__
