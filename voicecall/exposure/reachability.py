"""Whether a carrier on the internet can reach a URL: not when it names a loopback, private or reserved address.

Addresses of transition mechanisms (NAT64, 6to4 …) hold an IPv4 address and mean something only where the mechanism
runs; none of them is accepted. Nor are names that the public DNS never has. Plain http is refused too. Pure: other host
names are not resolved, because a name may resolve differently for the carrier.
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from voicecall.manifests import CARRIERS
from voicecall.settings import Deployment, Settings

__all__ = ["carrier_is_remote", "private_kind", "url_problem"]

_KINDS: Final = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "no address at all"),
        ("::/128", "no address at all"),
        ("127.0.0.0/8", "loopback"),
        ("::1/128", "loopback"),
        ("10.0.0.0/8", "private"),
        ("172.16.0.0/12", "private"),
        ("192.168.0.0/16", "private"),
        ("fc00::/7", "private"),
        ("fec0::/10", "private"),
        ("169.254.0.0/16", "link-local"),
        ("fe80::/10", "link-local"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("192.88.99.0/24", "a 6to4 address"),
        ("2002::/16", "a 6to4 address"),
        ("2001::/32", "a Teredo address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("::ffff:0:0:0/96", "a translated IPv4 address"),
        ("::/96", "an IPv4-compatible address"),
    )
)
_PUBLIC_V6: Final = ip_network("2000::/3")
_NOWHERE: Final = "no address at all"
_LOCAL_NAME: Final = "a name of local networks"
_LOCAL_DOMAINS: Final = tuple(
    f".{name}"
    for name in ("local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa", "onion")
)
"""Never delegated in the public DNS (RFC 6762, appendix G; RFC 7686, RFC 8375; ICANN for `internal`)."""
_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}\Z")


def url_problem(settings: Settings, deployment: Deployment, url: str) -> str | None:
    """Why the configured carrier cannot reach `url`, with the remedy; None when it may be reachable."""
    if not carrier_is_remote(settings, deployment):
        return None
    kind = private_kind(url)
    if kind is not None:
        return (
            f"{url[:120]!r} is {kind}, and {settings.provider} calls from outside; set publicUrl to an address that the"
            " internet reaches, or let tunnel.provider open one"
        )
    if url.partition(":")[0].lower() != "https":
        return (
            f"{url[:120]!r} is plain http: calls and their secrets would cross the internet unencrypted; set publicUrl"
            " to an https URL, and let a proxy or tunnel.provider end TLS"
        )
    return None


def carrier_is_remote(settings: Settings, deployment: Deployment) -> bool:
    """Whether the configured carrier is on the internet: not the mock one, nor one at a configured base URL."""
    return settings.capabilities.has_account and not _is_local(settings.provider, deployment)


def private_kind(url: str) -> str | None:
    """Why the URL's host is unreachable from the internet; None when it may be reachable."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return _NOWHERE
    if port == 0:
        return _NOWHERE
    address = _address(host)
    if address is None:
        return _kind_of_name(host)
    for network, kind in _KINDS:
        if address.version == network.version and address in network:
            return kind
    # Reserved for documentation, benchmarks, multicast or the future.
    unassigned = address.version == 6 and address not in _PUBLIC_V6
    return None if address.is_global and not address.is_multicast and not unassigned else "reserved"


def _kind_of_name(host: str) -> str | None:
    if host in {"localhost", "localhost.localdomain"} or host.endswith(".localhost"):
        return "loopback"
    if host and "." not in host:
        return "a name without a domain"
    if host.endswith(_LOCAL_DOMAINS):
        return _LOCAL_NAME
    return None if _NAME.match(host) and not host.endswith(".invalid") else _NOWHERE


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return _odd_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _odd_address(host: str) -> IPv4Address | None:
    """127.1, 0x7f000001 and 2130706433 are spellings of 127.0.0.1 that most resolvers accept."""
    if host.strip("0123456789abcdefx."):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _is_local(provider: str, deployment: Deployment) -> bool:
    """Whether `*_API_BASE_URL` replaces the carrier's API by another, which may be able to call a private address."""
    return deployment.has_other_api(CARRIERS[provider])
