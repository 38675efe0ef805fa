"""The role of the one who knows where carriers reach this house: two URLs, fixed by the configuration or by a tunnel.

Filled by `Address` itself where nothing moves, and by `bus/public_address.py` where the ingress opens a tunnel.
Carriers and lanes ask anew each time: a tunnel that comes back may have another name.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Address", "PublicAddressResolver", "WebhookUrl", "current_url"]

WebhookUrl = str | Callable[[], Awaitable[str]]
"""A fixed URL, or who knows the one of this moment. Asking may raise NotExposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`webhook_url` is complete with its path, `stream_url` is ws or wss without a query. Its own resolver."""

    webhook_url: str
    stream_url: str

    async def now(self) -> "Address":
        return self


class PublicAddressResolver(Protocol):
    """Who knows where carriers reach us."""

    async def now(self) -> Address:
        """The address of this moment. Raises NotExposed when there is none: then nothing must be sent."""
        ...


async def current_url(webhook_url: WebhookUrl) -> str:
    """The URL to hand to a carrier now. Raises NotExposed."""
    return webhook_url if isinstance(webhook_url, str) else await webhook_url()
