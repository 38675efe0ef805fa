"""The URLs that a carrier's signature may cover: the public one; without one, what a trusted proxy names.

Pure; used by `webhooks` and `media` before they verify. It only proposes candidates: a URL verifies nothing unless the
carrier's secret signed it, and no URL given to a carrier is ever built from these headers.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Final

from ingress.public_address import PublicAddress
from voicecall.settings import Settings
from voicecall.settings.model.exposure import WebhookSecurity

__all__ = [
    "HOST_HEADERS",
    "SignedUrls",
    "clean_host",
    "forwarded_host",
    "is_trusted",
    "names_foreign_host",
    "origin_of",
]

HOST_HEADERS: Final = ("x-forwarded-host", "x-original-host", "ngrok-forwarded-host")
"""In this order; names as in `WebhookRequest.headers`."""

_SCHEMES: Final = frozenset({"http", "https"})
_LOOPBACK_BINDS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_HOST_LIMIT: Final = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_PORTED = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]{0,5})?\Z")


class SignedUrls:
    """The URLs a request's signature may cover, the likeliest first.

    With `publicUrl` or an open tunnel, exactly one. Without, the one rebuilt from headers, and the ingress's own
    address, which a carrier on this network was given. `allowNgrokFreeTierLoopbackBypass` adds the rebuilt one to the
    tunnel's; each must still be what was signed.
    """

    def __init__(self, settings: Settings, public_address: PublicAddress | None = None) -> None:
        self._public_address = public_address or PublicAddress(settings)
        self._security = settings.webhook_security
        self._tunnelled = _ngrok_on_loopback(settings)
        self._widened = self._tunnelled and settings.public_url is None
        self._stream_path = settings.streaming.stream_path

    def webhook(self, peer: str | None, headers: Mapping[str, str], target: str) -> tuple[str, ...]:
        """`target`: path and query exactly as sent, for decoding and encoding again would change what was signed."""
        _, mark, query = target.partition("?")
        address, _, ours = self._public_address.webhook_url.partition("?")
        public = f"{address}{mark}{query}" if query or not ours else f"{address}?{ours}"
        if self._fixed:
            return (public,)
        return _distinct(self._origin(peer, headers), target, public)

    def stream(self, peer: str | None, headers: Mapping[str, str], path: str) -> tuple[str, ...]:
        """The same for a media socket's handshake, as ws or wss."""
        public = self._public_address.stream_url + path.removeprefix(self._stream_path)
        if self._fixed:
            return (public,)
        origin = self._origin(peer, headers)
        return _distinct(None if origin is None else "ws" + origin.removeprefix("http"), path, public)

    @property
    def _fixed(self) -> bool:
        return self._public_address.is_known and not self._widened

    def _origin(self, peer: str | None, headers: Mapping[str, str]) -> str | None:
        trusted = is_trusted(peer, self._security, tunnelled=self._tunnelled)
        return origin_of(headers, trusted=trusted, allowed=self._security.allowed_hosts)


def is_trusted(peer: str | None, security: WebhookSecurity, *, tunnelled: bool = False) -> bool:
    """Whether this peer may name the host and scheme of a request by forwarding headers.

    A list of proxies alone switches nothing on. `tunnelled`: ngrok runs on this machine, so forwarding headers of a
    local peer count as if they were trusted.
    """
    wanted = bool(security.allowed_hosts) or security.trust_forwarding_headers or (tunnelled and _is_local(peer))
    return wanted and (not security.trusted_proxy_ips or _is_listed(peer, security))


def origin_of(headers: Mapping[str, str], *, trusted: bool, allowed: tuple[str, ...] = ()) -> str | None:
    """Scheme and host as the carrier wrote them, without a port; None when no header names a host.

    `headers`: names lower-cased. Forwarding headers count only from a `trusted` peer; `Host` is the last resort.
    """
    scheme, host = "https", None
    if trusted:
        proto = headers.get("x-forwarded-proto", "")
        scheme = proto if proto in _SCHEMES else scheme
        host = forwarded_host(headers, allowed)
    host = host or clean_host(headers.get("host", ""))
    if host is None:
        return None
    return f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"


def forwarded_host(headers: Mapping[str, str], allowed: tuple[str, ...] = ()) -> str | None:
    """The first valid host of the forwarding headers that is in `allowed`; an empty list allows every one."""
    hosts = {clean_host(name) for name in allowed}
    for name in HOST_HEADERS:
        host = clean_host(headers.get(name, "").partition(",")[0])
        if host is not None and (not allowed or host in hosts):
            return host
    return None


def names_foreign_host(peer: str | None, headers: Mapping[str, str], security: WebhookSecurity) -> bool:
    """Whether a listed proxy forwards for a host that is not allowed: it is being abused (attack 11)."""
    return (
        bool(security.allowed_hosts)
        and HOST_HEADERS[0] in headers
        and _is_listed(peer, security)
        and forwarded_host(headers, security.allowed_hosts) is None
    )


def clean_host(text: str) -> str | None:
    """Lower-case, without port or brackets; None for what is neither a name of RFC 1123 nor an address."""
    found = _PORTED.match(text.strip(" \t").lower())
    if found is None:
        return None
    host = found["host"]
    if host.startswith("["):
        return _v6(host[1:-1])
    return host if len(host) <= _HOST_LIMIT and _NAME.match(host) else None


def _v6(text: str) -> str | None:
    try:
        return None if "%" in text else str(IPv6Address(text))
    except ValueError:
        return None


def _distinct(origin: str | None, target: str, public: str) -> tuple[str, ...]:
    return (public,) if origin is None or origin + target == public else (origin + target, public)


def _ngrok_on_loopback(settings: Settings) -> bool:
    tunnel = settings.tunnel
    return (
        tunnel.provider == "ngrok"
        and settings.serve.bind in _LOOPBACK_BINDS
        and tunnel.allow_ngrok_free_tier_loopback_bypass
    )


def _is_local(peer: str | None) -> bool:
    return _plain(peer) in {"127.0.0.1", "::1"} or (peer or "").lower().startswith("::ffff:127.")


def _is_listed(peer: str | None, security: WebhookSecurity) -> bool:
    known = _plain(peer)
    return known is not None and known in {_plain(proxy) for proxy in security.trusted_proxy_ips}


def _plain(address: str | None) -> str | None:
    """One spelling per address; an IPv4 address mapped into IPv6 is itself. No networks: this decides trust."""
    try:
        parsed = ip_address((address or "").strip())
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
