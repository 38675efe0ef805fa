"""How the carriers' webhooks reach us: the door we open, the tunnel to it, and whom we believe about the way."""

from typing import Annotated, Literal

from pydantic import Field

from voicecall.manifests.fields import Block, PathText, Port, Secret, Text, Texts

__all__ = ["Serve", "Tailscale", "Tunnel", "WebhookSecurity"]


class Serve(Block):
    port: Port = 3334
    """Port of the carriers' door."""
    bind: Text = "127.0.0.1"
    """Address it listens on."""
    path: PathText = "/voice/webhook"
    """Path of the webhooks."""


class Tailscale(Block):
    mode: Literal["off", "serve", "funnel"] = "off"
    """The older way to expose us: to the tailnet (serve) or to everybody (funnel); `tunnel` wins over it."""
    path: PathText = "/voice/webhook"
    """Path at which Tailscale shows the webhooks."""
    port: Port = 443
    """HTTPS port there; a funnel takes 443, 8443 or 10000."""


class Tunnel(Block):
    provider: Literal["none", "ngrok", "tailscale-serve", "tailscale-funnel"] = "none"
    """Who carries webhooks and media sockets from the internet to us; `publicUrl` wins over it."""
    ngrok_auth_token: Secret = None
    """Token of the account at ngrok."""
    ngrok_domain: Text | None = None
    """Reserved domain at ngrok; without it the address changes with each start."""
    allow_ngrok_free_tier_loopback_bypass: bool = False
    """Rebuild the signed address from the headers of ngrok's agent on this machine; never skips a signature."""


class WebhookSecurity(Block):
    allowed_hosts: Texts = ()
    """Hosts that forwarded headers may name; a list here is reason enough to believe them."""
    trust_forwarding_headers: bool = False
    """Believe forwarded headers: of the proxies in `trustedProxyIPs`, or without such a list, of everybody."""
    trusted_proxy_ips: Annotated[Texts, Field(alias="trustedProxyIPs")] = ()
    """Addresses of the proxies in front of us, written exactly."""
