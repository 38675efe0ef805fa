"""Checks the webhook's address: is it public, and does the ingress answer there.

A probe from this machine is only a hint: a name may resolve to another machine for the carrier.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.exposure.reachability import private_kind, url_problem
from voicecall.settings import Deployment, Settings

__all__ = ["WebhookAddress", "judge", "probe"]

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
