"""The port to the public address: the two URLs at which carriers reach this system, from configuration or a tunnel.

`Address` fills it where the configuration fixes the URLs, `bus/public_address.py` where the ingress opens a tunnel.
Carriers and lanes resolve it each time: a tunnel that reopens may have another name.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Address", "PublicAddressResolver", "WebhookUrl", "current_url", "with_query"]

WebhookUrl = str | Callable[[], Awaitable[str]]
"""A fixed URL, or a function that returns the current one and may raise NotExposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`webhook_url` is complete with its path, `stream_url` is ws or wss without a query. Resolves to itself."""

    webhook_url: str
    stream_url: str

    async def now(self) -> "Address":
        return self


class PublicAddressResolver(Protocol):
    async def now(self) -> Address:
        """The current address. Raises NotExposed when there is none; the carrier must not be called then."""
        ...


def with_query(url: str, fields: str) -> str:
    """The URL with more query fields, `name=value&…`, behind those that it has."""
    return f"{url}{'&' if '?' in url else '?'}{fields}"


async def current_url(webhook_url: WebhookUrl) -> str:
    """The URL to give to a carrier now. Raises NotExposed."""
    return webhook_url if isinstance(webhook_url, str) else await webhook_url()
