"""The configured carrier's codec, control and inspection, built from the configuration.

Ingress, workers and commands ask here, so that no other file names a carrier. Which carriers there are is listed in
`voicecall/manifests`; only the configured one is imported.
"""

from importlib import import_module

import aiohttp

from voicecall.carriers.common.adapter import Adapter
from voicecall.errors import ConfigError
from voicecall.manifests import CARRIERS
from voicecall.ports import CallControl, Codec, Inspection, PublicAddressResolver, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["adapter_of", "codec_for", "control_for", "inspection_for"]


def adapter_of(carrier: str) -> Adapter:
    """The adapter of the carrier with that name. Raises ConfigError for a name that no manifest has."""
    if carrier not in CARRIERS:
        raise ConfigError([f"provider: {carrier!r} is not built in; use {' or '.join(sorted(CARRIERS))}"])
    adapter: Adapter = import_module(f"voicecall.carriers.{carrier}.adapter").ADAPTER
    return adapter


def codec_for(settings: Settings, deployment: Deployment) -> Codec:
    """The configured carrier's codec. Raises ConfigError when it could not verify the webhooks that it accepts."""
    return adapter_of(settings.provider).codec(settings, deployment)


def control_for(
    settings: Settings,
    deployment: Deployment,
    http: aiohttp.ClientSession,
    public_address: PublicAddressResolver | None = None,
) -> CallControl:
    """The configured carrier's control. It borrows `http`, which the caller closes. Raises ConfigError.

    `public_address`: resolves the address at which the carrier reaches us; without it, the configured one is used.
    """
    webhook_url = _webhook_url(settings, public_address)
    return adapter_of(settings.provider).control(settings, deployment, http, webhook_url)


async def inspection_for(settings: Settings, deployment: Deployment, http: aiohttp.ClientSession) -> Inspection | None:
    """What the configured carrier reports of the account; None when it has no API to ask. Raises ConfigError."""
    asking = adapter_of(settings.provider).inspect(settings, deployment, http)
    return None if asking is None else await asking


def _webhook_url(settings: Settings, public_address: PublicAddressResolver | None) -> WebhookUrl:
    async def now() -> str:
        return settings.webhook_url if public_address is None else (await public_address.now()).webhook_url

    return now
