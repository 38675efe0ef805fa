"""The gateway's server: RPC over HTTP and WebSocket, the feed, the console, the documents, health.

Composition root of `python -m gateway`. Starts its parts in order and stops them in reverse. Knows no call logic, no
carrier and no actor.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakSet

import orjson
from aiohttp import web
from redis.asyncio import Redis

from gateway import documents
from gateway.agents import Hosts
from gateway.authenticator import Authenticator, Principal
from gateway.feed import Feeds
from gateway.health import ReadinessProbe
from gateway.listening import ListenRoutes, listen_scope
from gateway.live import LiveView
from gateway.methods import Services
from gateway.phone import PhoneRoutes
from gateway.rate_limiter import RateLimiter
from gateway.recordings import RecordingRoutes
from gateway.rpc import Rpc
from gateway.sockets import ClientSocket
from gateway.web import assets
from voicecall import health
from voicecall.aio import Background
from voicecall.api.errors import Forbidden, TooLarge, Unauthorized, status_of
from voicecall.api.frames import error_frame, read_request, result_frame
from voicecall.api.scopes import Scope
from voicecall.bus.agents.server import AgentServer
from voicecall.bus.connection import BusClient, connect, require_accepted
from voicecall.bus.doorbell import DramatiqDoorbell, require_queue, sending_broker
from voicecall.bus.feed.feed import Feed
from voicecall.bus.idempotency import Idempotency
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.operations import Operations
from voicecall.bus.public_address import RedisPublicAddress
from voicecall.bus.watch import watch_redis
from voicecall.connections import ConnectionLimiter, LimitedRunner, sender
from voicecall.errors import ConfigError, InvalidRequest, Refusal
from voicecall.ports import Doorbell
from voicecall.recording import open_store
from voicecall.service import AnswerTimeouts, CallService
from voicecall.service.callbacks import CallbackService
from voicecall.service.history import open_history
from voicecall.service.inspection import Inspection
from voicecall.service.recordings import RecordingService
from voicecall.service.reports import ReportQueries
from voicecall.settings import Deployment, Settings
from voicecall.slots import Slots

__all__ = ["Gateway", "running_gateway"]

_BODY_S: Final = 5.0
_WAITING: Final = 256  # sockets without a token whose first frame is awaited
_WAITING_OF_SENDER: Final = 64
_CONNECTIONS: Final = 1024
_PER_SENDER: Final = 512
_CLOSE_GRACE_S: Final = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway. `port`: the bound port, also when 0 was requested."""

    port: int
    background: Background  # the subscriptions to the bus

    async def drain(self) -> None:
        """Only logs: the gateway ends its requests when it closes."""
        _log.info("gateway stopping")


@asynccontextmanager
async def running_gateway(
    settings: Settings,
    deployment: Deployment,
    *,
    doorbell: Doorbell | None = None,
    timeouts: AnswerTimeouts | None = None,
) -> AsyncIterator[Gateway]:
    """Serve until the block is left; then refuse new requests, end the waiting ones and close the parts in reverse.

    Raises ConfigError when the address is not loopback and there is no token, or when Redis refuses this client, and
    OSError when the port is in use.
    """
    authenticator = Authenticator(deployment)
    redis = await _accepted_redis(deployment)
    broker = sending_broker(deployment.queue_url, redis.names)
    feed = Feed(redis)
    probe = ReadinessProbe(redis)
    calls = _call_service(settings, redis, feed, doorbell or DramatiqDoorbell(broker), timeouts)
    history = open_history(settings, redis)
    callbacks = CallbackService(redis, calls, settings)
    recordings = RecordingService(redis, open_store(settings))
    services = Services(
        calls=calls,
        history=history,
        inspection=Inspection(redis, calls),
        reports=ReportQueries(redis, history.archive),
        callbacks=callbacks,
        recordings=recordings,
    )
    rpc = Rpc(services, RateLimiter(deployment.gateway_rate, deployment.gateway_burst))
    hosts = Hosts()
    hosts.server = AgentServer(redis, secrets.token_hex(8), on_offer=hosts.offered, on_cancel=hosts.cancelled)
    scope = listen_scope(deployment.gateway_listen)
    feeds = Feeds(redis, feed, LiveView(redis, settings))
    routes = _Endpoints(rpc, feeds, hosts, authenticator, deployment.gateway_max_bytes, listen_scope=scope)
    # `handler_cancellation`: a client that disconnects ends the wait of its request.
    guard = health.MetricsGuard(deployment.gateway, authenticator.tokens)
    phone = PhoneRoutes(settings, deployment, authenticator, routes.waiting)
    listening = ListenRoutes(redis, calls, rpc, authenticator, waiting=routes.waiting, scope=scope)
    others = [*phone.routes(), *listening.routes(), *RecordingRoutes(recordings, authenticator).routes()]
    app = _app(
        routes, [*health.routes(probe.ready, role="gateway", guard=guard), *others], deployment.gateway_max_bytes
    )
    limiter = ConnectionLimiter(limit=_CONNECTIONS, per_sender=_PER_SENDER)
    limiter.show()
    runner = LimitedRunner(app, limiter, handler_cancellation=True, access_log=None, shutdown_timeout=2.0)
    background = Background()
    parts = AsyncExitStack()
    try:
        works = {
            "feed": feed.run(),
            "probe": probe.run(),
            "agent hosts": hosts.run(),
            "redis watch": watch_redis(redis),
            "call-backs": callbacks.run(),
        }
        for name, work in works.items():
            await parts.enter_async_context(background.running(name, work))
        await runner.setup()
        site = web.TCPSite(runner, deployment.gateway_bind, deployment.gateway_port)
        await site.start()
        port = int(runner.addresses[0][1])
        _log.info(
            "gateway listens", extra={"bind": deployment.gateway_bind, "port": port, "open": authenticator.is_open}
        )
        yield Gateway(port=port, background=background)
    finally:
        probe.draining = True
        await rpc.close(_CLOSE_GRACE_S)
        await routes.close()
        await phone.close()
        await listening.close()
        await runner.cleanup()
        await parts.aclose()
        history.close()
        broker.close()
        await redis.aclose()


async def _accepted_redis(deployment: Deployment) -> BusClient:
    """Raises ConfigError."""
    redis = connect(deployment.redis_url, namespace=deployment.namespace)
    try:
        await require_accepted(redis)
        await require_queue(deployment)
    except ConfigError:
        await redis.aclose()
        raise
    return redis


def _call_service(
    settings: Settings, redis: Redis, feed: Feed, doorbell: Doorbell, timeouts: AnswerTimeouts | None
) -> CallService:
    # A provider with an account needs the public address; for a mock carrier elsewhere the worker checks it.
    needs_address = settings.is_tunnelled and settings.capabilities.has_account
    return CallService(
        settings=settings,
        log=RedisCallLog(redis),
        live=LiveCalls(redis),
        feed=feed,
        doorbell=doorbell,
        workers=Membership(redis),
        idempotency=Idempotency(redis),
        public_address=RedisPublicAddress(redis) if needs_address else None,
        operations=Operations(redis),
        timeouts=timeouts,
    )


def _app(routes: "_Endpoints", probes: list[web.RouteDef], largest: int) -> web.Application:
    app = web.Application(client_max_size=largest, middlewares=[_plain_errors])
    app.on_response_prepare.append(_remove_server_header)
    app.add_routes([web.get("/", routes.root), web.get(r"/assets/{digest}/{name:[\w./-]+}", routes.asset), *probes])
    app.add_routes([web.post(path, routes.rpc) for path in health.spellings("/rpc")])
    for path, document in (("/openapi.json", routes.openapi), ("/asyncapi.json", routes.asyncapi)):
        app.add_routes([web.get(spelling, document) for spelling in health.spellings(path)])
    return app


async def _remove_server_header(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)


class _Endpoints:
    """The routes of RPC, the console and the documents. `largest`: bytes of one request.

    `listen_scope`: as of a `ClientSocket`. `waiting`: places of sockets whose first frame is awaited.
    """

    def __init__(
        self,
        rpc: Rpc,
        feeds: Feeds,
        hosts: Hosts,
        authenticator: Authenticator,
        largest: int,
        *,
        listen_scope: Scope | None,
    ) -> None:
        self._largest = largest
        self._listen_scope = listen_scope
        self._rpc = rpc
        self._feeds = feeds
        self._hosts = hosts
        self._authenticator = authenticator
        self._sockets: WeakSet[ClientSocket] = WeakSet()
        self.waiting = Slots(per_sender=_WAITING_OF_SENDER, total=_WAITING)

    async def root(self, request: web.Request) -> web.StreamResponse:
        """`GET /`: the WebSocket, or the console."""
        try:
            self._refuse_foreign(request)
            if request.headers.get("Upgrade", "").lower() != "websocket":
                return assets.page("console", request)
            principal = self._principal(request)
            if "Authorization" in request.headers and principal is None:
                raise Unauthorized("the token is wrong")
        except Refusal as refusal:
            return _refused("", refusal)
        socket = ClientSocket(
            self._rpc,
            self._feeds,
            self._hosts,
            self._authenticator,
            self.waiting,
            principal=principal,
            largest=self._largest,
            listen_scope=self._listen_scope,
        )
        self._sockets.add(socket)
        return await socket.serve(request)

    async def asset(self, request: web.Request) -> web.Response:
        """`GET /assets/…`: a module or a style sheet of the pages."""
        try:
            self._refuse_foreign(request)
        except Refusal as refusal:
            return _refused("", refusal)
        return assets.asset(request)

    async def rpc(self, request: web.Request) -> web.Response:
        """`POST /rpc`: one request, one answer."""
        request_id: str | int = ""
        try:
            self._refuse_foreign(request)
            principal = self._authenticated(request)
            frame = read_request(await _body(request, self._largest))
            request_id = frame.id
            payload = await self._rpc.answer(frame, principal)
        except Refusal as refusal:
            return _refused(request_id, refusal)
        return web.Response(body=result_frame(request_id, payload), content_type="application/json")

    async def openapi(self, request: web.Request) -> web.Response:
        return self._document(request, documents.openapi())

    async def asyncapi(self, request: web.Request) -> web.Response:
        return self._document(request, documents.asyncapi())

    def _document(self, request: web.Request, document: dict[str, Any]) -> web.Response:
        """Public on loopback, because it contains no data; elsewhere it needs a token."""
        try:
            self._refuse_foreign(request)
            if not self._authenticator.is_loopback:
                self._authenticated(request)
        except Refusal as refusal:
            return _refused("", refusal)
        return web.json_response(body=orjson.dumps(document))

    def _refuse_foreign(self, request: web.Request) -> None:
        if self._authenticator.is_foreign(request.headers):
            raise Forbidden("requests of foreign web pages are refused")

    def _authenticated(self, request: web.Request) -> Principal:
        principal = self._principal(request)
        if principal is None:
            raise Unauthorized("the token is missing or wrong")
        return principal

    def _principal(self, request: web.Request) -> Principal | None:
        return self._authenticator.authenticate_header(request.headers, sender(request.remote))

    async def close(self) -> None:
        for socket in list(self._sockets):
            with suppress(ConnectionError):
                await socket.close()


async def _body(request: web.Request, largest: int) -> bytes:
    if request.content_type != "application/json":
        # A foreign page can post text/plain without a CORS preflight; JSON needs one, which this server refuses.
        raise InvalidRequest("content-type: must be application/json")
    try:
        async with asyncio.timeout(_BODY_S):
            return await request.read()
    except TimeoutError as error:
        raise InvalidRequest("the body did not arrive within 5 s") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"the request is over {largest} bytes") from error


def _refused(request_id: str | int, refusal: Refusal) -> web.Response:
    status = 413 if isinstance(refusal, TooLarge) else status_of(refusal)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    body = error_frame(request_id, refusal)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors without a stack trace, a version or an echo of the request (attack 91)."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers: Mapping[str, str] = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return web.Response(status=error.status, text=f"{error.reason}\n", headers=headers)
    except Exception:  # noqa: BLE001  # last resort: logged, and answered without details
        _log.exception("request failed", extra={"path": request.path[:100]})
        return web.Response(status=500, text="internal error\n")
