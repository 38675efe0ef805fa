"""Telnyx, built from the configuration: its API key, its connection, and the key that verifies webhooks."""

import time
from typing import Final

import aiohttp

from voicecall import ports
from voicecall.carriers.adapter import Adapter
from voicecall.carriers.telnyx.codec import Codec
from voicecall.carriers.telnyx.control import Control
from voicecall.errors import ConfigError
from voicecall.ports import CallControl, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["ADAPTER"]


def _codec(settings: Settings, _deployment: Deployment) -> ports.Codec:
    return Codec(
        public_key=settings.telnyx.public_key or "",
        now=time.time,
        skip_verification=settings.skip_signature_verification,
        streams=settings.streaming.enabled,
    )


def _control(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    api_key, connection_id = settings.telnyx.api_key, settings.telnyx.connection_id
    if not api_key or not connection_id:
        raise ConfigError(["telnyx.apiKey, telnyx.connectionId: both are needed for provider telnyx; set them"])
    return Control(
        http,
        api_key=api_key,
        connection_id=connection_id,
        webhook_url=webhook_url,
        base_url=deployment.telnyx_api_base_url,
        voice=settings.tts.openai.voice,
    )


ADAPTER: Final = Adapter(codec=_codec, control=_control)
