"""A reverse proxy on loopback that does not know WebSockets: it passes requests on without the headers of one hop.

As nginx does without `proxy_set_header Upgrade`: a media socket reaches the server behind it as a plain GET.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import web

__all__ = ["proxied"]

_ONE_HOP: Final = frozenset({"connection", "upgrade", "host", "transfer-encoding", "content-length", "keep-alive"})


@asynccontextmanager
async def proxied(target: str) -> AsyncIterator[str]:
    """The proxy's URL. `target`: the origin behind it."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        async def pass_on(request: web.Request) -> web.Response:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _ONE_HOP}
            body = await request.read()
            url = f"{target}{request.raw_path}"
            async with http.request(
                request.method, url, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _ONE_HOP}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
