"""May a carrier out there be told this URL? Not when it names a place that only we can see (behaviour 11.4).

Pure: names are not resolved, for what a name means here says nothing about what it means to a carrier.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from voicecall.manifests import CARRIERS
from voicecall.settings import Deployment, Settings

__all__ = ["is_out_there", "private_kind", "refusal"]

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
        ("169.254.0.0/16", "link-local"),
        ("fe80::/10", "link-local"),
        ("100.64.0.0/10", "carrier-grade NAT"),
    )
)


def refusal(settings: Settings, deployment: Deployment, url: str) -> str | None:
    """Why the configured carrier could never call `url`, as a sentence with its remedy; None when it may."""
    kind = private_kind(url) if is_out_there(settings, deployment) else None
    if kind is None:
        return None
    return (
        f"{url[:120]!r} is {kind}, and {settings.provider} calls from outside; set publicUrl to an address that the"
        " internet reaches, or let tunnel.provider open one"
    )


def is_out_there(settings: Settings, deployment: Deployment) -> bool:
    """Does the configured carrier live on the internet? The mock one, and one of our own, stand beside us."""
    return settings.capabilities.has_account and not _stands_beside_us(settings.provider, deployment)


def private_kind(url: str) -> str | None:
    """Why nobody outside can reach the URL's host, in a word; None when it may be reached, and for every name."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return "no address at all"
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    address = _address(host)
    if address is None:
        return None if host else "no address at all"
    for network, kind in _KINDS:
        if address.version == network.version and address in network:
            return kind
    # Documentation, benchmarks, multicast, the far end of the list: nobody is there.
    return None if address.is_global and not address.is_multicast else "reserved"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return _odd_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _odd_address(host: str) -> IPv4Address | None:
    """127.1, 0x7f000001 and 2130706433 are 127.0.0.1 to whoever dials them."""
    if host.strip("0123456789abcdefx."):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _stands_beside_us(provider: str, deployment: Deployment) -> bool:
    """We were pointed at a carrier of our own by `*_API_BASE_URL`: a box, which may call a private address."""
    return deployment.has_other_api(CARRIERS[provider])
