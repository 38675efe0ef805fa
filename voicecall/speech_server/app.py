"""The server: routes, who may use them, errors in the protocol's form, health. Composition root of the process."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from voicecall import health
from voicecall.aio import Background
from voicecall.bearer import STRONG, BearerTokens, token_in
from voicecall.connections import ConnectionLimiter, LimitedRunner, sender
from voicecall.errors import ConfigError, Exhausted
from voicecall.settings import Deployment
from voicecall.speech_server.errors import Refused, answer_of
from voicecall.speech_server.extra import require_extra
from voicecall.speech_server.pool import Busy, InferencePool
from voicecall.speech_server.realtime import Realtime
from voicecall.speech_server.speech import Speech
from voicecall.speech_server.synthesis import Synthesis
from voicecall.speech_server.transcription import MODEL, Transcription
from voicecall.web_pages import is_from_page, is_of_other_origin, is_strange_name

__all__ = ["SpeechServer", "running_speech_server"]

_log = logging.getLogger(__name__)

_CONNECTIONS: Final = 256
_LARGEST_BODY: Final = 65_536
_SHUTDOWN_S: Final = 2.0
_RETRY_AFTER_S: Final = 1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechServer:
    """A running server. `port`: the bound one, also when 0 was requested."""

    port: int
    background: Background

    async def drain(self) -> None:
        """Requests in flight are ended when the server closes."""
        _log.info("speech server stopping")


@asynccontextmanager
async def running_speech_server(deployment: Deployment) -> AsyncIterator[SpeechServer]:
    """Load the models, then serve until the block is left.

    Raises ConfigError without the extra, or for an address off loopback without a token, and OSError when the address
    is taken.
    """
    require_extra()
    logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # it reports each utterance
    access = _Access(deployment)
    threads = deployment.speech_threads or _cores()
    synthesis, transcription = await asyncio.gather(
        asyncio.to_thread(Synthesis), asyncio.to_thread(Transcription, threads)
    )
    pool = InferencePool(threads)
    realtime = Realtime(transcription, pool)
    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_errors, access.check])
    app.router.add_post("/v1/audio/speech", Speech(synthesis, pool))
    app.router.add_get("/v1/realtime", realtime)
    app.router.add_get("/v1/models", _models)
    guard = health.MetricsGuard(deployment.speech_server, access.tokens)
    app.add_routes(health.routes(lambda: "", role="speech-server", guard=guard))
    limiter = ConnectionLimiter(limit=_CONNECTIONS, per_sender=_CONNECTIONS)
    runner = LimitedRunner(app, limiter, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, deployment.speech_server.host, deployment.speech_server.port).start()
        port = int(runner.addresses[0][1])
        where = {"bind": deployment.speech_server.host, "port": port}
        _log.info("speech server listens", extra={**where, "threads": threads})
        yield SpeechServer(port=port, background=Background())
    finally:
        pool.close()
        await realtime.close()
        await runner.cleanup()


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Access:
    """Who may use the server: who has the token; without one, programs of this machine, and no web page."""

    def __init__(self, deployment: Deployment) -> None:
        token = deployment.speech_token
        if not deployment.speech_server.is_loopback and len(token or "") < STRONG:
            host = deployment.speech_server.host
            remedy = f"set VOICECALL_SPEECH_TOKEN, {STRONG} characters or more, or listen on 127.0.0.1"
            raise ConfigError([f"VOICECALL_SPEECH_LISTEN: {host} is not loopback, which needs a token; {remedy}"])
        self.tokens = BearerTokens([(token, "client")] if token else [])

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/v1/"):
            self._require(request)
        return await handler(request)

    def _require(self, request: web.Request) -> None:
        headers = request.headers
        if is_from_page(headers) or is_of_other_origin(headers):
            raise Refused(403, "Requests of web pages are refused.", "forbidden")
        if not self.tokens:
            if is_strange_name(headers.get("Host", "")):
                raise Refused(403, "The Host header is not a name of this machine.", "forbidden")
            return
        try:
            holder = self.tokens.holder(token_in(headers), sender(request.remote))
        except Exhausted as error:
            wait_s = -(-(error.retry_after_ms or 1000) // 1000)
            raise Refused(429, "Too many wrong tokens.", "rate_limit_exceeded", retry_after_s=wait_s) from error
        if holder is None:
            raise Refused(401, "The API key is missing or wrong.", "invalid_api_key")


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return answer_of(refused)
    except Busy:
        return answer_of(
            Refused(429, "Too much is being spoken; try again.", "rate_limit_exceeded", retry_after_s=_RETRY_AFTER_S)
        )
    except web.HTTPException as error:
        return answer_of(Refused(error.status, f"{error.reason}.", error.reason.lower().replace(" ", "_")))
    except Exception:  # noqa: BLE001  last resort: logged, and answered without details
        _log.exception("request failed", extra={"path": request.path[:100]})
        return answer_of(Refused(500, "The server failed.", "server_error"))


async def _models(_: web.Request) -> web.Response:
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "offline"} for name in (MODEL, "hibari")]
    return web.Response(body=orjson.dumps({"object": "list", "data": models}), content_type="application/json")
