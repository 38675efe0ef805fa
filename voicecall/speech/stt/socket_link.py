"""A connection to a speech recognition service over a WebSocket: what all such services have in common.

Knows aiohttp; the protocol of a service is its `Wire`. Used by the adapters' `build`.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Final

import aiohttp

from voicecall.aio import end
from voicecall.errors import FailureKind
from voicecall.speech.stt.link import LinkLost, Ready, ServiceFault, Signal, Wire
from voicecall.speech.stt.refusal import lost_by

__all__ = ["SocketLink", "socket_url"]

_LONGEST_MESSAGE: Final = 1_048_576
_HEARTBEAT_S: Final = 20.0
_IDLE_S: Final = 4.0


def socket_url(base_url: str, path: str) -> str:
    """The address of a socket below `base_url`: `wss://host/v1/realtime` for `https://host/v1` and `/realtime`."""
    scheme, rest = base_url.rstrip("/").split("://", 1)
    return f"{ {'http': 'ws', 'https': 'wss'}.get(scheme.lower(), scheme) }://{rest}{path}"


class SocketLink:
    """Link. The HTTP session is the node's."""

    def __init__(self, wire: Wire, http: aiohttp.ClientSession) -> None:
        self._wire = wire
        self._http = http
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._has_sent = False
        self._idling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        try:
            self._ws = ws = await self._http.ws_connect(
                self._wire.url,
                headers=dict(self._wire.headers),
                heartbeat=_HEARTBEAT_S,
                max_msg_size=_LONGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
            if self._wire.opening is not None:
                await ws.send_str(self._wire.opening)
        except (aiohttp.ClientError, OSError) as error:
            raise lost_by(error) from error
        if not self._wire.is_ready_when_open:
            await self._until_ready(ws)
        if self._wire.idle is not None:
            self._idling = asyncio.create_task(self._idle(ws, self._wire.idle), name="stt idle")

    async def _until_ready(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        async for message in ws:
            for signal in self._read(message):
                if isinstance(signal, Ready):
                    return
                if isinstance(signal, ServiceFault):
                    # An error before the session is ready concerns the key or the settings.
                    kind = FailureKind.REFUSED if signal.is_final else FailureKind.BROKEN
                    reason = f"refused: {signal.kind}, {signal.code}"
                    raise LinkLost(reason, is_final=signal.is_final, kind=kind)
        raise LinkLost("closed before it was ready")

    def send(self, mulaw: bytes) -> Coroutine[Any, Any, None]:
        self._has_sent = True
        return self._send(self._wire.audio(mulaw))

    async def commit(self) -> None:
        message = self._wire.commit()
        if message is not None:
            await self._send(message)

    async def _send(self, message: str | bytes) -> None:
        ws = self._ws
        if ws is None:
            return
        try:
            await (ws.send_bytes(message) if isinstance(message, bytes) else ws.send_str(message))
        except (aiohttp.ClientError, ConnectionError):
            await ws.close()  # which ends the reading loop as well

    async def _idle(self, ws: aiohttp.ClientWebSocketResponse, message: str | bytes) -> None:
        while not ws.closed:
            self._has_sent = False
            await asyncio.sleep(_IDLE_S)
            if not self._has_sent:
                await self._send(message)

    async def signals(self) -> AsyncIterator[Sequence[Signal]]:
        ws = self._ws
        if ws is None:
            raise LinkLost("was not opened")
        async for message in ws:
            yield self._read(message)
        raise LinkLost(f"closed with code {ws.close_code}")

    def _read(self, message: aiohttp.WSMessage) -> Sequence[Signal]:
        return self._wire.read(message.data) if message.type is aiohttp.WSMsgType.TEXT else ()

    async def close(self) -> None:
        if self._idling is not None:
            await end(self._idling)
        if self._ws is None or self._ws.closed:
            return
        if self._wire.farewell is not None:
            await self._send(self._wire.farewell)
        await self._ws.close()
