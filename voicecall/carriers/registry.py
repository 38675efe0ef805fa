"""Which carrier this house speaks with: codec and control, built from the configuration.

The doors, workers and CLI ask here, so that no other file names a carrier. Adding one is its folder and its line in
`_CARRIERS` (docs/adding-a-carrier.md).
"""

from typing import Final

import aiohttp

from voicecall.carriers.common.adapter import Adapter
from voicecall.carriers.mock.adapter import ADAPTER as MOCK
from voicecall.carriers.plivo.adapter import ADAPTER as PLIVO
from voicecall.carriers.telnyx.adapter import ADAPTER as TELNYX
from voicecall.carriers.twilio.adapter import ADAPTER as TWILIO
from voicecall.errors import ConfigError
from voicecall.ports import CallControl, Codec, Inspection, PublicAddressResolver, WebhookUrl
from voicecall.settings import Deployment, Provider, Settings

__all__ = ["codec_for", "control_for", "inspection_for"]

_CARRIERS: Final[dict[Provider, Adapter]] = {
    "mock": MOCK,
    "plivo": PLIVO,
    "telnyx": TELNYX,
    "twilio": TWILIO,
}


def codec_for(settings: Settings, deployment: Deployment) -> Codec:
    """The configured carrier's codec. Raises ConfigError when it cannot verify what it would let in."""
    return _carrier(settings).codec(settings, deployment)


def control_for(
    settings: Settings,
    deployment: Deployment,
    http: aiohttp.ClientSession,
    public_address: PublicAddressResolver | None = None,
) -> CallControl:
    """The configured carrier's control over `http`, which stays the caller's to close. Raises ConfigError.

    `whereabouts`: who knows where the carrier reaches us; without it, where the configuration says.
    """
    return _carrier(settings).control(settings, deployment, http, _webhook_url(settings, public_address))


async def inspection_for(settings: Settings, deployment: Deployment, http: aiohttp.ClientSession) -> Inspection | None:
    """What the configured carrier says of our account; None where no carrier stands behind it. Raises ConfigError."""
    asking = _carrier(settings).inspect(settings, deployment, http)
    return None if asking is None else await asking


def _webhook_url(settings: Settings, public_address: PublicAddressResolver | None) -> WebhookUrl:
    async def now() -> str:
        return settings.webhook_url if public_address is None else (await public_address.now()).webhook_url

    return now


def _carrier(settings: Settings) -> Adapter:
    carrier = _CARRIERS.get(settings.provider)
    if carrier is None:
        raise ConfigError([f"provider: {settings.provider!r} is not built in; use {' or '.join(sorted(_CARRIERS))}"])
    return carrier
