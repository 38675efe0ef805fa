"""Builds Twilio's codec, control and inspection from the configuration; chooses the API host of the region."""

from collections.abc import Awaitable
from typing import Final

import aiohttp

from voicecall import ports
from voicecall.carriers.common.adapter import Adapter
from voicecall.carriers.common.rest import RestClient
from voicecall.carriers.twilio.codec import Codec
from voicecall.carriers.twilio.control import Control
from voicecall.carriers.twilio.inspection import inspect
from voicecall.errors import ConfigError
from voicecall.manifests.twilio import CARRIER, Twilio
from voicecall.ports import CallControl, Inspection, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["ADAPTER"]

_HOSTS: Final = {
    "ie1": "https://api.dublin.ie1.twilio.com",
    "au1": "https://api.sydney.au1.twilio.com",
}
"""API hosts of regions; us1 and no region have the default host."""


def _account(settings: Settings) -> tuple[str, str]:
    account = settings.block(Twilio)
    if not account.account_sid or not account.auth_token:
        raise ConfigError(["twilio.accountSid, twilio.authToken: both are needed for provider twilio; set them"])
    return account.account_sid, account.auth_token


def _codec(settings: Settings, _deployment: Deployment) -> ports.Codec:
    account_sid, auth_token = _account(settings)
    skip = settings.skip_signature_verification
    return Codec(
        account_sid=account_sid,
        auth_tokens=(auth_token,),
        skip_verification=skip,
        voice=settings.native_voice,
    )


def _control(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    account_sid, auth_token = _account(settings)
    return Control(
        http,
        account_sid=account_sid,
        auth_token=auth_token,
        webhook_url=webhook_url,
        base_url=_base_url(settings, deployment),
        voice=settings.native_voice,
    )


def _inspect(settings: Settings, deployment: Deployment, http: aiohttp.ClientSession) -> Awaitable[Inspection]:
    account_sid, auth_token = _account(settings)
    rest = RestClient(http=http, authorization=aiohttp.encode_basic_auth(account_sid, auth_token))
    base_url = _base_url(settings, deployment)
    return inspect(rest, base_url=base_url, account_sid=account_sid, number=settings.from_number)


def _base_url(settings: Settings, deployment: Deployment) -> str:
    base_url = deployment.api_base_url(CARRIER)
    return base_url if deployment.has_other_api(CARRIER) else _HOSTS.get(settings.block(Twilio).region or "", base_url)


ADAPTER: Final = Adapter(codec=_codec, control=_control, inspect=_inspect)
