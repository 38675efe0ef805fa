"""Answers to probes, the same in every role: `/livez`, `/readyz`, `/metrics`.

Ingress and worker serve them at a private address of their own (`serving`), the gateway beside its RPC (`routes`).
Knows no Redis: a role gives `ready`, and `live` if it has more to say than that its event loop runs. An outage of Redis
makes a process unready, not dead: a restart would not help.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from voicecall import metrics
from voicecall.connections import ConnectionLimiter, LimitedRunner
from voicecall.settings import ListenAddress

__all__ = ["Reason", "routes", "serving", "spellings"]

Reason = Callable[[], str]
"""Why this process is not ready, or not alive, in a word or two; an empty string when it is."""

_SHUTDOWN_S: Final = 1.0
_CONNECTIONS: Final = 128
_PER_SENDER: Final = 64


def _always() -> str:
    return ""


def routes(ready: Reason, live: Reason = _always) -> list[web.RouteDef]:
    """200 `ok`, or 503 and the reason; `/metrics` in Prometheus's text format."""
    metrics.set_build_info()

    async def livez(_request: web.Request) -> web.Response:
        return _answer(live())

    async def readyz(_request: web.Request) -> web.Response:
        return _answer(ready())

    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    probes = (("/livez", livez), ("/readyz", readyz), ("/metrics", exposition))
    return [web.get(spelling, answer) for path, answer in probes for spelling in spellings(path)]


def spellings(path: str) -> tuple[str, ...]:
    """The routes of a path with slashes too many, as clients make them of a base URL: `//rpc`, `/rpc/`."""
    name = path.strip("/")
    return (path, f"/{{slashes:/*}}{name}{{more:/*}}")


@asynccontextmanager
async def serving(listener: ListenAddress, ready: Reason, live: Reason = _always) -> AsyncIterator[tuple[str, int]]:
    """Answer at `listener` until the block is left; gives the address in use. Raises OSError when it is taken."""
    app = web.Application()
    app.add_routes(routes(ready, live))
    app.on_response_prepare.append(_hide_version)
    limiter = ConnectionLimiter(limit=_CONNECTIONS, per_sender=_PER_SENDER)
    runner = LimitedRunner(app, limiter, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, listener.host, listener.port).start()
        host, port, *_ = runner.addresses[0]
        yield host, port
    finally:
        await runner.cleanup()


def _answer(reason: str) -> web.Response:
    return web.Response(status=503 if reason else 200, text=reason or "ok")


async def _hide_version(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
