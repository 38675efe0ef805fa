"""The key by which a sender's connections and requests are limited, and the count of what each has in flight.

Pure; used by `connections`, `webhooks` and `media`. An IPv4 address mapped into IPv6 is the same sender, and so is
every address of one IPv6 /64, because one customer owns all of it (attack 74).
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from voicecall.settings.model.exposure import WebhookSecurity

__all__ = ["InFlight", "client_ip", "sender"]

_UNKNOWN: Final = "?"


@lru_cache(maxsize=4096)
def sender(address: str | None) -> str:
    """The key of a peer address. All that is not an address shares one key, and so one limit."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return _UNKNOWN
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


def client_ip(peer: str | None, headers: Mapping[str, str], security: WebhookSecurity) -> str:
    """The key of a request's sender: the peer, or behind a trusted proxy, the address that proxy names.

    A proxy is trusted when forwarding is switched on *and* its address is listed; then only its own addition to
    `X-Forwarded-For`, the last one, counts. Without a list none is trusted, for any sender could name any address.
    """
    if not security.trusted_proxy_ips or not (security.trust_forwarding_headers or security.allowed_hosts):
        return sender(peer)
    trusted = {sender(address) for address in security.trusted_proxy_ips}
    key = sender(peer)
    if key not in trusted:
        return key
    for named in reversed(headers.get("x-forwarded-for", "").split(",")):
        if named.strip():
            key = sender(named.strip())
            if key not in trusted:
                return key
    return key


class InFlight:
    """Counts what each sender has open: at most `limit` per sender, and at most `tracked` senders at a time."""

    def __init__(self, limit: int, tracked: int = 4096) -> None:
        self._limit = limit
        self._tracked = tracked
        self._open: dict[str, int] = {}

    def enter(self, key: str) -> bool:
        """Count one more; False when the sender is at its limit, or too many senders are tracked."""
        count = self._open.get(key, 0)
        if count >= self._limit or (count == 0 and len(self._open) >= self._tracked):
            return False
        self._open[key] = count + 1
        return True

    def leave(self, key: str) -> None:
        """Count one less. Only after an `enter` that returned True."""
        count = self._open[key] - 1
        if count:
            self._open[key] = count
        else:
            del self._open[key]

    @property
    def total(self) -> int:
        return sum(self._open.values())
