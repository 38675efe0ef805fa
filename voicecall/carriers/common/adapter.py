"""What the registry holds of a carrier: how its codec and control are made from the configuration.

Each carrier's folder fills one (`<name>/adapter.py: ADAPTER`). Knows no carrier.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from voicecall.ports import CallControl, Codec, Inspection, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["Adapter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """All raise ConfigError: a codec that cannot verify what it lets in, a control that could not hang up.

    `inspect`: ask the carrier about our account; None when there is no carrier to ask.
    """

    codec: Callable[[Settings, Deployment], Codec]
    control: Callable[[Settings, Deployment, aiohttp.ClientSession, WebhookUrl], CallControl]
    inspect: Callable[[Settings, Deployment, aiohttp.ClientSession], Awaitable[Inspection] | None]
