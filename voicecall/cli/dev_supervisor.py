"""The supervisor of `voicecall dev`: kills a process on request, by SIGKILL, and starts it again.

For the buttons of the test phone that show how a call survives (docs/phone.md). An RPC on loopback, at a free port,
with a token that is made for this run and given to the exchange of test phones alone.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from aiohttp import web
from redis.asyncio import Redis

from voicecall.aio import end
from voicecall.bearer import BearerTokens, token_in
from voicecall.bus.connection import connect
from voicecall.bus.lease import RedisLeases
from voicecall.call.ids import CallId, is_call_id
from voicecall.connections import ConnectionLimiter, LimitedRunner
from voicecall.errors import BusUnavailable, Refusal
from voicecall.settings import load_deployment
from voicecall.subprocesses import Child, ChildEnded, Children

__all__ = ["SUPERVISOR_TOKEN", "SUPERVISOR_URL", "supervising"]

SUPERVISOR_URL: Final = "VOICECALL_DEV_URL"
SUPERVISOR_TOKEN: Final = "VOICECALL_DEV_TOKEN"  # noqa: S105 - the name of a variable
_ROLES: Final = ("worker", "ingress")
_BODY: Final = 4096
_CONNECTIONS: Final = 16

_log = logging.getLogger(__name__)


@asynccontextmanager
async def supervising(children: Children, environ: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """Serve until the block is left. Gives the variables by which the exchange finds it.

    `environ`: of the processes; read when a request comes.
    """
    supervisor = _Supervisor(children, environ)
    app = web.Application(client_max_size=_BODY)
    app.add_routes([web.post("/kill", supervisor.kill)])
    runner = LimitedRunner(app, ConnectionLimiter(limit=_CONNECTIONS, per_sender=_CONNECTIONS), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield {SUPERVISOR_URL: url, SUPERVISOR_TOKEN: supervisor.token}
    finally:
        await runner.cleanup()
        await supervisor.close()


class _Supervisor:
    def __init__(self, children: Children, environ: dict[str, str]) -> None:
        self.token = secrets.token_hex(16)
        self._tokens = BearerTokens([(self.token, True)])
        self._children = children
        self._environ = environ
        self._restarts: set[asyncio.Task[None]] = set()

    async def kill(self, request: web.Request) -> web.Response:
        """`POST /kill` with `role` and `callId`: of several workers the one that holds the call."""
        try:
            if self._tokens.holder(token_in(request.headers), "loopback") is None:
                return web.Response(status=401)
        except Refusal:
            return web.Response(status=429)
        try:
            asked: Any = orjson.loads(await request.read())
            role, call = asked["role"], asked.get("callId", "")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return web.Response(status=400)
        running = self._children.named(role) if role in _ROLES else []
        if not running:
            return web.Response(status=404)
        child = await self._holder(running, call) if len(running) > 1 else running[0]
        await self._children.kill(child)
        self._start(child)
        return web.Response(status=200)

    async def close(self) -> None:
        for task in list(self._restarts):
            await end(task)

    async def _holder(self, workers: list[Child], call: object) -> Child:
        """The worker that owns the call, known by the name of its node in its log; else the first one."""
        node = await self._owner(CallId(call)) if isinstance(call, str) and is_call_id(call) else ""
        return next((child for child in workers if node and any(node in line for line in child.lines)), workers[0])

    async def _owner(self, call: CallId) -> str:
        deployed = load_deployment(self._environ)
        redis: Redis = connect(deployed.redis_url, namespace=deployed.namespace)
        try:
            return await RedisLeases(redis).owner(call) or ""
        except BusUnavailable:
            return ""
        finally:
            await redis.aclose()

    def _start(self, child: Child) -> None:
        task = asyncio.create_task(self._started_again(child))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _started_again(self, child: Child) -> None:
        try:
            await self._children.start_again(child)
        except ChildEnded as ended:  # `first_ended` reports it too, and everything stops
            _log.warning("not started again", extra={"role": ended.name})
