"""The shape of a carrier's adapter: builders of its codec, control and inspection from the configuration.

Each carrier's folder has one, `ADAPTER` in `<name>/adapter.py`; the registry loads it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from voicecall.ports import CallControl, Codec, Inspection, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["Adapter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """The builders raise ConfigError when a key is missing that verification or commands need.

    `inspect`: queries the carrier's API about the account; None when there is no API to query.
    """

    codec: Callable[[Settings, Deployment], Codec]
    control: Callable[[Settings, Deployment, aiohttp.ClientSession, WebhookUrl], CallControl]
    inspect: Callable[[Settings, Deployment, aiohttp.ClientSession], Awaitable[Inspection] | None]
