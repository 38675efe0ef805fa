"""A gateway on real sockets with a real Redis, and a small worker that activates the calls."""

import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.app import running_gateway
from tests.fakes.redis_server import RedisServer, start_redis
from tests.fakes.worker import QueueDoorbell, SmallWorker, idle_node, small_worker
from voicecall.bus.connection import connect
from voicecall.service import AnswerTimeouts
from voicecall.settings import Deployment, Settings

TOKEN = "a-long-random-token"
CONFIG = {
    "provider": "mock",
    "maxConcurrentCalls": 5,
    "toNumber": "+15550009999",
    "streaming": {"enabled": True},
    "tools": {"builtIn": ["ask_owner", "note"]},
}
PATIENT = AnswerTimeouts(place_s=20.0)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@dataclass(kw_only=True)
class System:
    """A running gateway with its Redis and worker, and a client of it."""

    url: str
    http: aiohttp.ClientSession
    redis: Redis
    worker: SmallWorker
    doorbell: QueueDoorbell

    async def post(
        self, method: str, params: object = None, *, token: str | None = TOKEN
    ) -> tuple[int, dict[str, Any]]:
        body = {"type": "req", "id": "1", "method": method, "params": {} if params is None else params}
        return await self.post_raw(json.dumps(body).encode(), token=token)

    async def post_raw(self, body: bytes, *, token: str | None = TOKEN, **headers: str) -> tuple[int, dict[str, Any]]:
        sent = {
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **headers,
        }
        async with self.http.post(f"{self.url}/rpc", data=body, headers=sent) as answer:
            return answer.status, await answer.json()

    async def initiate(self, **params: object) -> str:
        status, frame = await self.post("voicecall.initiate", {"message": "Hello", "mode": "conversation", **params})
        assert status == 200, frame
        return str(frame["payload"]["callId"])

    async def socket(self, token: str | None = TOKEN, **headers: str) -> "SocketClient":
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        return SocketClient(await self.http.ws_connect(f"{self.url}/", headers=sent, max_msg_size=0))


class SocketClient:
    """A WebSocket to the gateway that keeps the frames it received."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.events: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}

    async def send(self, request_id: str, method: str, params: object = None) -> None:
        await self.ws.send_json({"type": "req", "id": request_id, "method": method, "params": params or {}})

    async def answer(self, request_id: str) -> dict[str, Any]:
        while request_id not in self.answers:
            await self.take()
        return self.answers.pop(request_id)

    async def ask(self, method: str, params: object = None) -> dict[str, Any]:
        await self.send(method, method, params)
        return await self.answer(method)

    async def event(self, kind: str) -> dict[str, Any]:
        """The next feed item that contains an event of this kind."""
        while True:
            for place, item in enumerate(self.events):
                if any(event["type"] == kind for event in item["events"]):
                    del self.events[: place + 1]
                    return item
            await self.take()

    async def take(self) -> None:
        message = await self.ws.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame = json.loads(message.data)
        if frame["type"] == "event":
            self.events.append(frame["payload"])
            self.frames.append(frame)
        else:
            self.answers[frame["id"]] = frame


@contextlib.asynccontextmanager
async def stack(
    redis_url: str,
    *,
    config: dict[str, Any] | None = None,
    timeouts: AnswerTimeouts = PATIENT,
    token: str | None = TOKEN,
    working: bool = True,
    idle: bool = False,
    keep: bool = False,
    port: int = 0,
    **deployed: Any,
) -> AsyncIterator[System]:
    """`working` False: no worker runs; `idle`: one is present that takes no call."""
    scratch = tempfile.TemporaryDirectory()
    settings = Settings.model_validate({**CONFIG, "store": scratch.name, **(config or {})})
    deployment = replace(Deployment(), redis_url=redis_url, gateway_port=port, gateway_token=token, **deployed)
    doorbell, redis = QueueDoorbell(), connect(redis_url)
    async with contextlib.AsyncExitStack() as opened:
        opened.enter_context(scratch)
        opened.push_async_callback(redis.aclose)
        if not keep:
            await redis.flushall()
        worker = SmallWorker(redis, doorbell)
        if working:
            worker = await opened.enter_async_context(small_worker(redis, doorbell))
        if idle:
            await opened.enter_async_context(idle_node(redis))
        gateway = await opened.enter_async_context(
            running_gateway(settings, deployment, doorbell=doorbell, timeouts=timeouts),
        )
        http = await opened.enter_async_context(aiohttp.ClientSession())
        yield System(url=f"http://127.0.0.1:{gateway.port}", http=http, redis=redis, worker=worker, doorbell=doorbell)


@pytest.fixture
async def system(redis_server: RedisServer) -> AsyncIterator[System]:
    async with stack(redis_server.url) as opened:
        yield opened
