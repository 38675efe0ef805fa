"""The application: tools at `/http/NAME`, the same as an MCP server at `/mcp`, the script, and the ledger.

Each call is one ledger line of kind `http` or `mcp`, written when it comes, whatever becomes of it.
"""

import asyncio

import orjson
from aiohttp import web

from simulators.faults import cut_off, hang
from simulators.ledger import Ledger
from simulators.service import add_control, facts_of, json_reply, read_model
from simulators.tools.mcp import answer, asks_for
from simulators.tools.script import Posted, Script

__all__ = ["build"]


def build() -> web.Application:
    """A new application with one tool, `echo`, and an empty ledger."""
    script, ledger = Script(), Ledger()
    app = web.Application(client_max_size=16_777_216)

    async def post_script(request: web.Request) -> web.Response:
        script.post(await read_model(request, Posted))
        return web.Response(status=204)

    async def by_http(request: web.Request) -> web.StreamResponse:
        name, body = request.match_info["name"], (await request.read()).decode(errors="replace")
        line = ledger.write("http", **facts_of(request), tool=name, arguments=body, outcome="cut")
        line["authorized"] = "Authorization" in request.headers
        if name not in script.tools:
            return web.Response(status=404)
        await _misbehave(request, script, name)
        do = script.tools[name]
        line["outcome"] = do.status
        return web.Response(status=do.status, text=script.result(name, body))

    async def by_mcp(request: web.Request) -> web.StreamResponse:
        message = orjson.loads(await request.read())
        tool = asks_for(message)
        arguments = orjson.dumps(message.get("params", {}).get("arguments") or {}).decode()
        if tool:
            meta = message["params"].get("_meta")
            ledger.write("mcp", **facts_of(request), tool=tool, arguments=arguments, meta=meta)
        if tool in script.tools:
            await _misbehave(request, script, tool)
        answered = answer(message, script, arguments)
        return web.Response(status=202) if answered is None else json_reply(answered)

    app.router.add_post("/http/{name}", by_http)
    app.router.add_post("/mcp", by_mcp)
    app.router.add_post("/_sim/script", post_script)
    add_control(app, ledger, lambda: {"tools": len(script.tools)})
    return app


async def _misbehave(request: web.Request, script: Script, name: str) -> None:
    do = script.tools[name]
    await asyncio.sleep(do.delay_ms / 1000)
    if do.hang:
        await hang(request)
    if do.cut:
        await cut_off(request)
