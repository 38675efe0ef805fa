"""Answers to probes, the same in every role: `/livez`, `/readyz`, `/metrics`.

Ingress and worker serve them at a private address of their own (`serving`), the gateway beside its RPC (`routes`). The
probes are open, for they say a word or two; who may read `/metrics` decides `MetricsGuard` (attacks 107 and 109). Knows
no Redis: a role gives `ready`, and `live` if it has more to say than that its event loop runs. An outage of Redis makes
a process unready, not dead: a restart would not help.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from voicecall import metrics
from voicecall.bearer import STRONG, BearerTokens, token_in
from voicecall.connections import ConnectionLimiter, LimitedRunner, sender
from voicecall.errors import Exhausted
from voicecall.settings import ListenAddress
from voicecall.web_pages import is_from_page, is_of_other_origin, is_strange_name

__all__ = ["MetricsGuard", "Reason", "routes", "serving", "spellings"]

Reason = Callable[[], str]
"""Why this process is not ready, or not alive, in a word or two; an empty string when it is."""

_SHUTDOWN_S: Final = 1.0
_CONNECTIONS: Final = 128
_PER_SENDER: Final = 64
_NO_TOKEN: Final = (
    "/metrics off loopback needs a bearer token, and none is set; set VOICECALL_GATEWAY_READ_TOKEN,"
    f" {STRONG} characters or more, in the environment of this process"
)


def _always() -> str:
    return ""


class MetricsGuard:
    """Who may read `/metrics`: off loopback, who has one of `tokens`; on loopback, who is no web page.

    `listener`: where the server listens. `tokens`: those with the scope to read.
    """

    def __init__(self, listener: ListenAddress, tokens: BearerTokens[Any]) -> None:
        self._is_loopback = listener.is_loopback
        self._tokens = tokens

    def refusal(self, request: web.Request) -> web.Response | None:
        """The answer to a request that is refused; None when it may be answered."""
        headers = request.headers
        if is_from_page(headers) or is_of_other_origin(headers):
            return _refused(403, "requests of web pages are refused")
        if self._is_loopback and not is_strange_name(headers.get("Host", "")):
            return None
        try:
            holder = self._tokens.holder(token_in(headers), sender(request.remote))
        except Exhausted as error:
            return _refused(429, error.message, **{"Retry-After": str(error.retry_after_s)})
        return None if holder is not None else self._without_token()

    def _without_token(self) -> web.Response:
        if self._is_loopback:
            return _refused(403, "the Host header is not a name of this machine")
        if not self._tokens:
            return _refused(403, _NO_TOKEN)
        return _refused(401, "the bearer token is missing or wrong", **{"WWW-Authenticate": "Bearer"})


def routes(ready: Reason, live: Reason = _always, *, role: str, guard: MetricsGuard) -> list[web.RouteDef]:
    """200 `ok`, or 503 and the reason; `/metrics` in Prometheus's text format, to whom `guard` lets read it.

    `role`: one of `metrics.ROLES`; the page shows what it measures.
    """
    metrics.set_build_info(role)

    async def livez(_request: web.Request) -> web.Response:
        return _answer(live())

    async def readyz(_request: web.Request) -> web.Response:
        return _answer(ready())

    async def exposition(request: web.Request) -> web.Response:
        refusal = guard.refusal(request)
        if refusal is not None:
            return refusal
        # It reads files of /proc.
        page = await asyncio.to_thread(metrics.exposition, role)
        return web.Response(body=page, headers={"Content-Type": metrics.CONTENT_TYPE})

    probes = (("/livez", livez), ("/readyz", readyz), ("/metrics", exposition))
    return [web.get(spelling, answer) for path, answer in probes for spelling in spellings(path)]


def spellings(path: str) -> tuple[str, ...]:
    """The routes of a path with slashes too many, as clients make them of a base URL: `//rpc`, `/rpc/`."""
    name = path.strip("/")
    return (path, f"/{{slashes:/*}}{name}{{more:/*}}")


@asynccontextmanager
async def serving(
    listener: ListenAddress, ready: Reason, live: Reason = _always, *, role: str, tokens: Iterable[str] = ()
) -> AsyncIterator[tuple[str, int]]:
    """Answer at `listener` until the block is left; gives the address in use. Raises OSError when it is taken.

    `tokens`: the bearer tokens that may read `/metrics` where the listener is not on loopback.
    """
    guard = MetricsGuard(listener, BearerTokens((token, "reader") for token in tokens))
    app = web.Application()
    app.add_routes(routes(ready, live, role=role, guard=guard))
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


def _refused(status: int, why: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{why}\n", headers=headers)


async def _hide_version(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
