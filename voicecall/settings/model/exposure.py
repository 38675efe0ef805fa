"""The configuration of being reachable: the ingress's address, tunnels to it, and trust in forwarded headers."""

from typing import Annotated, Literal

from pydantic import Field

from voicecall.manifests.fields import Block, PathText, Port, Secret, Text, Texts

__all__ = ["Serve", "Tailscale", "Tunnel", "WebhookSecurity"]


class Serve(Block):
    port: Port = 3334
    """Port of the ingress."""
    bind: Text = "127.0.0.1"
    """Address it listens on."""
    path: PathText = "/voice/webhook"
    """Path of the webhooks."""


class Tailscale(Block):
    mode: Literal["off", "serve", "funnel"] = "off"
    """The older way to expose the ingress: to the tailnet (serve) or the internet (funnel); `tunnel` wins over it."""
    path: PathText = "/voice/webhook"
    """Path at which Tailscale shows the webhooks."""
    port: Port = 443
    """HTTPS port there; a funnel takes 443, 8443 or 10000."""


class Tunnel(Block):
    provider: Literal["none", "ngrok", "tailscale-serve", "tailscale-funnel"] = "none"
    """Tunnel that carries webhooks and media sockets to the ingress; `publicUrl` wins over it."""
    ngrok_auth_token: Secret = None
    """Token of the account at ngrok."""
    ngrok_domain: Text | None = None
    """Reserved domain at ngrok; without it the address changes with each start."""
    allow_ngrok_free_tier_loopback_bypass: bool = False
    """Rebuild the signed address from the headers of ngrok's agent on this machine; never skips a signature."""


class WebhookSecurity(Block):
    allowed_hosts: Texts = ()
    """Hosts that forwarded headers may name; with a list here, the headers are used."""
    trust_forwarding_headers: bool = False
    """Use forwarded headers: of the proxies in `trustedProxyIPs`, or without such a list, of every sender."""
    trusted_proxy_ips: Annotated[Texts, Field(alias="trustedProxyIPs")] = ()
    """Exact addresses of the proxies in front of the ingress; limits then count the clients behind them."""
