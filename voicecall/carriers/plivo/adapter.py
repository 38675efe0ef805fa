"""Builds Plivo's codec, control and inspection from the configuration."""

from collections.abc import Awaitable
from typing import Final

import aiohttp

from voicecall import ports
from voicecall.carriers.common.adapter import Adapter
from voicecall.carriers.common.rest import RestClient
from voicecall.carriers.plivo.codec import Codec
from voicecall.carriers.plivo.control import Control
from voicecall.carriers.plivo.inspection import inspect
from voicecall.errors import ConfigError
from voicecall.manifests.plivo import CARRIER, Plivo
from voicecall.ports import CallControl, Inspection, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["ADAPTER"]


def _account(settings: Settings) -> tuple[str, str]:
    account = settings.block(Plivo)
    if not account.auth_id or not account.auth_token:
        raise ConfigError(["plivo.authId, plivo.authToken: both are needed for provider plivo; set them"])
    return account.auth_id, account.auth_token


def _codec(settings: Settings, _deployment: Deployment) -> ports.Codec:
    _, auth_token = _account(settings)
    return Codec(
        auth_tokens=(auth_token,),
        skip_verification=settings.skip_signature_verification,
        voice=settings.native_voice,
    )


def _control(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    auth_id, auth_token = _account(settings)
    return Control(
        http,
        auth_id=auth_id,
        auth_token=auth_token,
        webhook_url=webhook_url,
        base_url=deployment.api_base_url(CARRIER),
        voice=settings.native_voice,
        streams=settings.is_streaming,
    )


def _inspect(settings: Settings, deployment: Deployment, http: aiohttp.ClientSession) -> Awaitable[Inspection]:
    auth_id, auth_token = _account(settings)
    rest = RestClient(http=http, authorization=aiohttp.encode_basic_auth(auth_id, auth_token))
    return inspect(rest, base_url=deployment.api_base_url(CARRIER), auth_id=auth_id, number=settings.from_number)


ADAPTER: Final = Adapter(codec=_codec, control=_control, inspect=_inspect)
