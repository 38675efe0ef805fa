"""Runs a simulator as a process: one port, one ready line, a clean exit, and the `/_sim` routes that tests read.

Used by the simulators of speech and models. Does not know what they simulate.
"""

import argparse
import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
import uvloop
from aiohttp import web
from pydantic import BaseModel, ValidationError

from simulators.ledger import Ledger

__all__ = ["add_addresses", "add_control", "facts_of", "json_reply", "main", "port_of", "read_model"]

_SECRET = frozenset({"authorization", "xi-api-key", "cookie", "proxy-authorization"})

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def main(name: str, build: Callable[[], web.Application]) -> None:
    """Serve `build()` until SIGTERM or SIGINT; print one line of JSON on stdout as soon as it listens."""
    parser = argparse.ArgumentParser(prog=f"python -m simulators.{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free port")
    options = parser.parse_args()
    uvloop.run(_serve(build(), options.host, options.port))


async def _serve(app: web.Application, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        print(orjson.dumps({"ready": True, "url": f"http://{host}:{port_of(runner)}"}).decode(), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def port_of(runner: web.AppRunner) -> int:
    """The port a started runner listens on."""
    port: int = runner.addresses[0][1]
    return port


def add_addresses(app: web.Application) -> None:
    """Serve every route also below `/at/NAME`: the same service at an address for which clients keep a breaker."""
    for route in list(app.router.routes()):
        if route.resource is not None and route.method != "HEAD":
            app.router.add_route(route.method, f"/at/{{address}}{route.resource.canonical}", route.handler)


def add_control(app: web.Application, ledger: Ledger, health: Callable[[], dict[str, Any]]) -> None:
    """Add `/_sim/health`, `/_sim/ledger` and `/_sim/connections`.

    GET of the ledger takes `kind` (repeatable), `after` (a `seq`) and `wait_s` (wait for a newer line); DELETE drops
    all lines. GET of the connections counts every other one, also those that a client keeps for later; DELETE closes
    them.
    """
    connections: set[asyncio.BaseTransport] = set()

    @web.middleware
    async def remember(request: web.Request, handler: Handler) -> web.StreamResponse:
        connections.difference_update([each for each in connections if each.is_closing()])
        if request.transport is not None:
            connections.add(request.transport)
        return await handler(request)

    async def get_connections(request: web.Request) -> web.Response:
        return json_reply({"open": sum(not each.is_closing() for each in connections - {request.transport})})

    async def delete_connections(request: web.Request) -> web.Response:
        for connection in connections - {request.transport}:
            connection.close()
        return web.Response(status=204)

    async def get_health(_: web.Request) -> web.Response:
        return json_reply({"ok": True, **health()})

    async def get_ledger(request: web.Request) -> web.Response:
        after, wait_s = int(request.query.get("after", 0)), float(request.query.get("wait_s", 0))
        if wait_s:
            await ledger.follow(after, wait_s)
        lines = ledger.lines(*request.query.getall("kind", []), after=after)
        return json_reply({"lines": lines, "last_seq": ledger.last_seq, "forgotten": ledger.forgotten})

    async def delete_ledger(_: web.Request) -> web.Response:
        ledger.clear()
        return web.Response(status=204)

    app.middlewares.append(remember)
    app.router.add_get("/_sim/connections", get_connections)
    app.router.add_delete("/_sim/connections", delete_connections)
    app.router.add_get("/_sim/health", get_health)
    app.router.add_get("/_sim/ledger", get_ledger)
    app.router.add_delete("/_sim/ledger", delete_ledger)


def json_reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


async def read_model(request: web.Request, model: type[M]) -> M:
    """The request's JSON as `model`. Raises a 400 response that names each wrong key."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as fault:
        wrong = [{"at": ".".join(map(str, e["loc"])), "why": e["msg"]} for e in fault.errors(include_url=False)]
        raise web.HTTPBadRequest(
            body=orjson.dumps({"error": "bad script", "wrong": wrong}), content_type="application/json"
        ) from fault


def facts_of(request: web.Request) -> dict[str, Any]:
    """The facts of a request for the ledger, without its credentials."""
    return {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "headers": {str(k): v for k, v in request.headers.items() if k.lower() not in _SECRET},
    }
