"""The sender of a request: its peer, or what a listed proxy says of it.

Pure; used by `webhooks` and `media` for their limits. Does not decide which host or scheme is trusted: `signed_url`.
"""

from collections.abc import Mapping

from voicecall.connections import sender
from voicecall.settings.model.exposure import WebhookSecurity

__all__ = ["client_ip"]


def client_ip(peer: str | None, headers: Mapping[str, str], security: WebhookSecurity) -> str:
    """The key of a request's sender: the peer, or behind a listed proxy, the address that proxy names.

    To be listed in `trustedProxyIPs` is enough: the address serves limits only. Only the proxy's own addition to
    `X-Forwarded-For`, the last one, counts. Without a list no proxy is trusted, for any sender could name any address.
    """
    key = sender(peer)
    trusted = {sender(address) for address in security.trusted_proxy_ips}
    if key not in trusted:
        return key
    for named in reversed(headers.get("x-forwarded-for", "").split(",")):
        if named.strip():
            key = sender(_without_port(named.strip().strip('"')))
            if key not in trusted:
                return key
    return key


def _without_port(named: str) -> str:
    """Some proxies name the sender's port too: `192.0.2.1:5678`, `[2001:db8::1]:5678`."""
    if named.startswith("["):
        return named[1:].partition("]")[0]
    host, colon, port = named.partition(":")
    return host if colon and ":" not in port else named
