"""Clients of a running stack: the gateway's RPC and feed, and the `/_sim` routes of a simulator."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import orjson

__all__ = ["Gateway", "RpcError", "Simulator"]


class RpcError(Exception):
    """The gateway refused. `code` and `message` are those of its reply."""

    def __init__(self, code: str, message: str, error: dict[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.error = error


class _Client:
    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url
        self._headers = headers or {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class Simulator(_Client):
    """A client of one simulator."""

    async def get(self, path: str, **query: Any) -> Any:
        async with self.session.get(self.url + path, params=query) as response:
            response.raise_for_status()
            return orjson.loads(await response.read())

    async def post(self, path: str, body: Any) -> Any:
        async with self.session.post(self.url + path, json=body) as response:
            raw = await response.read()
            if response.status >= 400:
                raise RuntimeError(f"{path}: {response.status} {raw[:500]!r}")
            return orjson.loads(raw) if raw else None

    async def delete(self, path: str) -> None:
        async with self.session.delete(self.url + path) as response:
            response.raise_for_status()

    async def read(self, path: str) -> bytes:
        async with self.session.get(self.url + path) as response:
            response.raise_for_status()
            return await response.read()

    async def until(self, path: str, good: Callable[[Any], bool], *, within_s: float = 20.0) -> Any:
        """Poll `path` until `good` is true of its JSON, and return that. Raises TimeoutError with the last reading."""
        deadline = time.monotonic() + within_s
        while not good(seen := await self.get(path)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} after {within_s} s: {orjson.dumps(seen).decode()[:2000]}")
            await asyncio.sleep(0.05)
        return seen


class Gateway(_Client):
    """A client of the gateway, with the rights of an operator."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, {"Authorization": f"Bearer {token}"})
        self.token = token

    async def rpc(self, method: str, **params: Any) -> Any:
        """The payload of a successful request. Raises RpcError."""
        frame = {"type": "req", "id": "1", "method": method, "params": params}
        async with self.session.post(f"{self.url}/rpc", json=frame) as response:
            answer = orjson.loads(await response.read())
        if not answer.get("ok"):
            error = answer.get("error") or {}
            raise RpcError(error.get("code", ""), error.get("message", ""), error)
        return answer["payload"]

    async def feed(self, **params: Any) -> AsyncIterator[Any]:
        """The feed's payloads for all calls, as they are sent."""
        async with self.session.ws_connect(self.url + "/", heartbeat=10) as socket:
            await socket.send_json({"type": "req", "id": "feed", "method": "voicecall.subscribe", "params": params})
            async for message in socket:
                frame = orjson.loads(message.data)
                if frame.get("type") == "event":
                    yield frame["payload"]

    async def until(self, call_id: str, good: Callable[[Any], bool], *, within_s: float = 20.0) -> Any:
        """Poll the call's record until `good` is true of it. Raises TimeoutError with the last reading."""
        deadline = time.monotonic() + within_s
        while not good(seen := await self.rpc("voicecall.status", callId=call_id)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{call_id} after {within_s} s: {orjson.dumps(seen).decode()[:3000]}")
            await asyncio.sleep(0.05)
        return seen
