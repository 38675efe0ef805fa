"""Checks the webhook's address: is it public, does the ingress answer there, and do media sockets reach it.

A probe from this machine is only a hint: a name may resolve to another machine for the carrier.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.exposure.reachability import private_kind, url_problem
from voicecall.settings import Deployment, Settings

__all__ = ["WebhookAddress", "judge", "judge_stream", "probe", "probe_stream"]

_SERVER: Final = "voicecall"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAddress:
    """The answer at an address. `status` 0: none, because of `trouble`."""

    url: str
    status: int = 0
    server: str = ""
    trouble: str = ""


async def probe(http: aiohttp.ClientSession, url: str) -> WebhookAddress:
    """Send a GET, which a webhook refuses by 405. Raises nothing."""
    try:
        async with http.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
            return WebhookAddress(url=url, status=answer.status, server=answer.headers.get("Server", ""))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return WebhookAddress(url=url, trouble=getattr(error, "strerror", None) or str(error) or type(error).__name__)


async def probe_stream(http: aiohttp.ClientSession, url: str) -> WebhookAddress:
    """Open a media socket as a carrier does, and close it. `status` 101: it was accepted. Raises nothing."""
    try:
        async with asyncio.timeout(_TIMEOUT.total), http.ws_connect(url) as socket:
            await socket.close()
        return WebhookAddress(url=url, status=101)
    except aiohttp.WSServerHandshakeError as error:
        server = error.headers.get("Server", "") if error.headers else ""
        return WebhookAddress(url=url, status=error.status, server=server)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return WebhookAddress(url=url, trouble=getattr(error, "strerror", None) or str(error) or type(error).__name__)


def judge_stream(socket: WebhookAddress) -> Finding:
    """Whether a carrier's media socket would reach the ingress."""
    if socket.status == 101:
        return ok("address.stream", "media sockets reach the ingress")
    if socket.status == 0:
        remedy = "start the ingress; check DNS, TLS and the proxy"
        return fail("address.stream", f"no answer at {socket.url}: {socket.trouble[:160]}", remedy)
    if socket.status in (401, 503) and _SERVER in socket.server.lower():
        return ok("address.stream", "media sockets reach the ingress, which refuses this one")
    seen = f"the WebSocket handshake at {socket.url} is answered with {socket.status}"
    return fail(
        "address.stream", seen, "let the proxy pass WebSocket upgrades (`Upgrade` and `Connection`) and this path on"
    )


def judge(settings: Settings, deployment: Deployment, ingress: WebhookAddress) -> Iterator[Finding]:
    why = url_problem(settings, deployment, ingress.url)
    if why is not None:
        seen, _, remedy = why.partition("; ")
        yield fail("address.privacy", seen, remedy)
    else:
        kind = private_kind(ingress.url)
        beside = f"{kind}, but the carrier's API is on this network" if kind else "public"
        yield ok("address.privacy", f"{ingress.url} is {beside}")
    if ingress.status == 0:
        remedy = "start the ingress; check DNS, TLS and the proxy"
        yield fail("address.reach", f"no answer at {ingress.url}: {ingress.trouble[:160]}", remedy)
    elif _SERVER not in ingress.server.lower():
        seen = f"{ingress.url} is answered with {ingress.status} by {ingress.server[:40] or 'another server'}"
        # Proxies often replace the Server header; the ingress answers a GET by 405.
        level = warn if ingress.status == 405 else fail
        yield level("address.reach", seen, "let the proxy pass the webhook's and the stream's path to the ingress")
    else:
        yield ok("address.reach", "the ingress answers")
