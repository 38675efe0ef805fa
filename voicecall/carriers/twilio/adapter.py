"""Twilio, built from the configuration: its account, and the host of its region."""

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
from voicecall.ports import CallControl, Inspection, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["ADAPTER"]

_HOSTS: Final = {
    "ie1": "https://api.dublin.ie1.twilio.com",
    "au1": "https://api.sydney.au1.twilio.com",
}
"""Where the API of a region lives; us1 and no region are the default host."""


def _account(settings: Settings) -> tuple[str, str]:
    if not settings.twilio.account_sid or not settings.twilio.auth_token:
        raise ConfigError(["twilio.accountSid, twilio.authToken: both are needed for provider twilio; set them"])
    return settings.twilio.account_sid, settings.twilio.auth_token


def _codec(settings: Settings, _deployment: Deployment) -> ports.Codec:
    account_sid, auth_token = _account(settings)
    skip = settings.skip_signature_verification
    return Codec(
        account_sid=account_sid,
        auth_tokens=(auth_token,),
        skip_verification=skip,
        voice=settings.tts.openai.voice,
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
        voice=settings.tts.openai.voice,
    )


def _inspect(settings: Settings, deployment: Deployment, http: aiohttp.ClientSession) -> Awaitable[Inspection]:
    account_sid, auth_token = _account(settings)
    rest = RestClient(http=http, authorization=aiohttp.encode_basic_auth(account_sid, auth_token))
    base_url = _base_url(settings, deployment)
    return inspect(rest, base_url=base_url, account_sid=account_sid, number=settings.from_number)


def _base_url(settings: Settings, deployment: Deployment) -> str:
    base_url = deployment.twilio_api_base_url
    if base_url != Deployment.twilio_api_base_url:
        return base_url
    return _HOSTS.get(settings.twilio.region or "", base_url)


ADAPTER: Final = Adapter(codec=_codec, control=_control, inspect=_inspect)
