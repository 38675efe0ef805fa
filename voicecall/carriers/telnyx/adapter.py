"""Builds Telnyx's codec, control and inspection from the configuration."""

import time
from collections.abc import Awaitable
from typing import Final

import aiohttp

from voicecall import ports
from voicecall.carriers.common.adapter import Adapter
from voicecall.carriers.common.rest import RestClient
from voicecall.carriers.telnyx.codec import Codec
from voicecall.carriers.telnyx.control import Control
from voicecall.carriers.telnyx.inspection import inspect
from voicecall.errors import ConfigError
from voicecall.manifests.telnyx import CARRIER, Telnyx
from voicecall.ports import CallControl, Inspection, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["ADAPTER"]


def _account(settings: Settings) -> tuple[str, str]:
    account = settings.block(Telnyx)
    api_key, connection_id = account.api_key, account.connection_id
    if not api_key or not connection_id:
        raise ConfigError(["telnyx.apiKey, telnyx.connectionId: both are needed for provider telnyx; set them"])
    return api_key, connection_id


def _codec(settings: Settings, _deployment: Deployment) -> ports.Codec:
    return Codec(
        public_key=settings.block(Telnyx).public_key or "",
        now=time.time,
        skip_verification=settings.skip_signature_verification,
    )


def _control(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    api_key, connection_id = _account(settings)
    return Control(
        http,
        api_key=api_key,
        connection_id=connection_id,
        webhook_url=webhook_url,
        base_url=deployment.api_base_url(CARRIER),
        voice=settings.native_voice,
        relay=settings.relay.reply(settings.language) if settings.relay.enabled else None,
    )


def _inspect(settings: Settings, deployment: Deployment, http: aiohttp.ClientSession) -> Awaitable[Inspection]:
    api_key, connection_id = _account(settings)
    rest = RestClient(http=http, authorization=f"Bearer {api_key}")
    return inspect(rest, base_url=deployment.api_base_url(CARRIER), connection_id=connection_id)


ADAPTER: Final = Adapter(codec=_codec, control=_control, inspect=_inspect)
