"""Do carriers find us: is the webhook's address public, and does our own ingress answer there.

What we reach from here is a hint only: a name may mean another machine to a carrier. So silence is a warning for a real
carrier's public address, unless it says why.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.exposure.reachability import private_kind, url_problem
from voicecall.settings import Deployment, Settings

__all__ = ["WebhookAddress", "judge", "look"]

_OURS: Final = "voicecall"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAddress:
    """Who answered at an address. `status` 0: nobody, because of `trouble`."""

    url: str
    status: int = 0
    server: str = ""
    trouble: str = ""


async def look(http: aiohttp.ClientSession, url: str) -> WebhookAddress:
    """Knock with a GET, which a webhook refuses. Raises nothing."""
    try:
        async with http.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
            return WebhookAddress(url=url, status=answer.status, server=answer.headers.get("Server", ""))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return WebhookAddress(url=url, trouble=getattr(error, "strerror", None) or str(error) or type(error).__name__)


def judge(settings: Settings, stands: Deployment, ingress: WebhookAddress) -> Iterator[Finding]:
    why = url_problem(settings, stands, ingress.url)
    if why is not None:
        seen, _, remedy = why.partition("; ")
        yield fail("address.privacy", seen, remedy)
    else:
        kind = private_kind(ingress.url)
        beside = f"{kind}, but the carrier stands beside us" if kind else "public"
        yield ok("address.privacy", f"{ingress.url} is {beside}")
    if ingress.status == 0:
        remedy = "start the ingress, and let DNS, TLS and the proxy lead there"
        yield fail("address.reach", f"nobody answers at {ingress.url}: {ingress.trouble[:160]}", remedy)
    elif _OURS not in ingress.server.lower():
        seen = f"{ingress.url} is answered with {ingress.status} by {ingress.server[:40] or 'somebody else'}"
        # Proxies often put their own name there; but ours refuses a GET.
        level = warn if ingress.status == 405 else fail
        yield level("address.reach", seen, "let the proxy pass the webhook's and the stream's path to the ingress")
    else:
        yield ok("address.reach", "our ingress answers")
