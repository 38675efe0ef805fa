"""The application: the service's routes, the key check, and the `/_sim` routes."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSCloseCode, web

from simulators.ledger import Ledger
from simulators.openai.chat import Chat
from simulators.openai.errors import refused
from simulators.openai.reading import Voices
from simulators.openai.realtime import Realtime
from simulators.openai.script import Posted, Script
from simulators.openai.speaking import SpeakingSession
from simulators.openai.speech import Speech
from simulators.openai.transcriptions import Transcriptions, models
from simulators.service import add_addresses, add_control, facts_of, json_reply, read_model

__all__ = ["build"]

_LARGEST_BODY = 4 * 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build() -> web.Application:
    """A new application without a script, with an empty ledger."""
    script, ledger = Script(), Ledger()
    realtime, voice = Realtime(script, ledger), Voices(script, ledger, SpeakingSession)

    async def on_realtime(request: web.Request) -> web.StreamResponse:
        return await (realtime if "intent" in request.query else voice)(request)

    app = web.Application(middlewares=[_key_check(script, ledger)], client_max_size=_LARGEST_BODY)
    app.router.add_post("/v1/chat/completions", Chat(script, ledger))
    app.router.add_post("/v1/audio/speech", Speech(script, ledger))
    app.router.add_get("/v1/realtime", on_realtime)
    app.router.add_post("/v1/audio/transcriptions", Transcriptions(script, ledger))
    app.router.add_get("/v1/models", models)
    add_addresses(app)
    add_control(app, ledger, lambda: {"sockets": len(realtime.open) + len(voice.open)})
    _add_script(app, script)

    async def hang_up(_: web.Application) -> None:
        for socket in [*realtime.open, *voice.open]:
            await socket.close(code=WSCloseCode.GOING_AWAY)

    app.on_shutdown.append(hang_up)
    return app


def _key_check(script: Script, ledger: Ledger) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/v1/"):
            return await handler(request)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key or (script.api_key and key != script.api_key):
            ledger.write("unauthorized", **facts_of(request))
            return refused(401, "Incorrect API key provided.")
        return await handler(request)

    return check


def _add_script(app: web.Application, script: Script) -> None:
    """POST replaces the sections it names and returns how often each rule has applied; DELETE resets the script."""

    def report() -> dict[str, Any]:
        return {"replies": len(script.replies), "end_on_symbol": script.end_on_symbol, "struck": script.rules.struck}

    async def post(request: web.Request) -> web.Response:
        script.post(await read_model(request, Posted))
        return json_reply(report())

    async def get(_: web.Request) -> web.Response:
        return json_reply(report())

    async def delete(_: web.Request) -> web.Response:
        script.clear()
        return web.Response(status=204)

    app.router.add_post("/_sim/script", post)
    app.router.add_get("/_sim/script", get)
    app.router.add_delete("/_sim/script", delete)
