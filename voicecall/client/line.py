"""The line to a gateway: one request with one answer, or the feed for as long as somebody listens.

Used by the clients. Knows frames, sockets and failures; does not know what any method means.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Final

import aiohttp
import orjson

from voicecall.aio import backoff
from voicecall.client.failures import GatewayDown, Refused, TokenRefused

__all__ = ["Connection"]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=900.0, connect=5.0)  # the gateway ends every wait well before this
_LARGEST: Final = 8 * 1024 * 1024
_FIRST_DELAY_S: Final = 0.25
_LONGEST_DELAY_S: Final = 5.0

Told = Callable[[str], None]


class Connection:
    """`url` without a slash at its end. Opened by its first use, closed by `close`; belongs to one event loop."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The payload. Raises GatewayDown, TokenRefused or Refused."""
        body = orjson.dumps({"type": "req", "id": "1", "method": method, "params": params})
        headers = {"Content-Type": "application/json", **self._headers}
        try:
            async with self._session().post(f"{self._url}/rpc", data=body, headers=headers) as answer:
                frame = _read(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayDown(_reason(error)) from error
        return _payload(frame)

    async def watch(
        self,
        since: str | None,
        last: int,
        call_id: str | None,
        on_loss: Told,
        on_gap: Told,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Items of the feed: those behind `since`, or the `last` newest; then each as it happens, for ever.

        Through any number of lost sockets, without gap or repeat; `on_loss` is told why each time, and `on_gap` the id
        behind which items are no longer kept. Raises as `ask` when not even the first connection works.
        """
        at, connected, delays = since, False, _delays()
        while True:
            params: dict[str, Any] = {"last": last} if at is None else {"since": at}
            if call_id is not None:
                params["callId"] = call_id
            try:
                async with contextlib.aclosing(self._items(params, on_gap)) as items:
                    async for item in items:
                        # The first frame is the gateway's consent; from here on a loss is worth another try.
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

    async def _items(self, params: dict[str, Any], on_gap: Told) -> AsyncGenerator[dict[str, Any], None]:
        """An empty item when the subscription stands, then the feed; ends by raising, as `ask` does."""
        try:
            async with self._session().ws_connect(
                f"{self._url}/",
                headers=self._headers,
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
