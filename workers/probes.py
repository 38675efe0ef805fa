"""Health and metrics of a worker over HTTP, for whoever asks at `VOICECALL_WORKER_HEALTH`; off without it.

`/livez`: the loop turns, nothing else, for a Redis outage must not restart every process. `/readyz`: this node can take
a call. `/metrics`: Prometheus. Never on a public port (reliability 5.1).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from voicecall.metrics import CONTENT_TYPE, exposition
from voicecall.settings import Listener

__all__ = ["open_probes"]


@asynccontextmanager
async def open_probes(listener: Listener, ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Answer until the block is left. Raises OSError when the address is taken."""

    async def livez(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(text="ready\n") if ready() else web.Response(status=503, text="not ready\n")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, listener.host, listener.port, reuse_address=True).start()
        yield
    finally:
        await runner.cleanup()
