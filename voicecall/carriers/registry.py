"""Which carrier this house speaks with: codec and control, built from the configuration.

The doors, workers and CLI ask here, so that no other file names a carrier. Adding one is its folder and its line in
`_CARRIERS` (docs/adding-a-carrier.md).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from voicecall.carriers.mock.codec import Codec as MockCodec
from voicecall.carriers.mock.control import Control as MockControl
from voicecall.carriers.mock.in_process import InProcess
from voicecall.carriers.plivo.codec import Codec as PlivoCodec
from voicecall.carriers.plivo.control import Control as PlivoControl
from voicecall.carriers.telnyx.codec import Codec as TelnyxCodec
from voicecall.carriers.telnyx.control import Control as TelnyxControl
from voicecall.carriers.twilio.codec import Codec as TwilioCodec
from voicecall.carriers.twilio.control import Control as TwilioControl
from voicecall.errors import ConfigError
from voicecall.ports import CallControl, Codec, WebhookUrl, Whereabouts
from voicecall.settings import Deployment, Provider, Settings

__all__ = ["codec_for", "control_for"]

_TWILIO_HOSTS: Final = {
    "ie1": "https://api.dublin.ie1.twilio.com",
    "au1": "https://api.sydney.au1.twilio.com",
}
"""Where the API of a region lives; us1 and no region are the default host."""


@dataclass(frozen=True, slots=True)
class _Carrier:
    codec: Callable[[Settings, Deployment], Codec]
    control: Callable[[Settings, Deployment, aiohttp.ClientSession, WebhookUrl], CallControl]


def codec_for(settings: Settings, deployment: Deployment) -> Codec:
    """The configured carrier's codec. Raises ConfigError when it cannot verify what it would let in."""
    return _carrier(settings).codec(settings, deployment)


def control_for(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, whereabouts: Whereabouts | None = None
) -> CallControl:
    """The configured carrier's control over `http`, which stays the caller's to close. Raises ConfigError.

    `whereabouts`: who knows where the carrier reaches us; without it, where the configuration says.
    """
    return _carrier(settings).control(settings, deployment, http, _webhook_url(settings, whereabouts))


def _webhook_url(settings: Settings, whereabouts: Whereabouts | None) -> WebhookUrl:
    async def now() -> str:
        return settings.webhook_url if whereabouts is None else (await whereabouts.now()).webhook_url

    return now


def _carrier(settings: Settings) -> _Carrier:
    carrier = _CARRIERS.get(settings.provider)
    if carrier is None:
        raise ConfigError([f"provider: {settings.provider!r} is not built in; use {' or '.join(sorted(_CARRIERS))}"])
    return carrier


def _twilio_account(settings: Settings) -> tuple[str, str]:
    if not settings.twilio.account_sid or not settings.twilio.auth_token:
        raise ConfigError(["twilio.accountSid, twilio.authToken: both are needed for provider twilio; set them"])
    return settings.twilio.account_sid, settings.twilio.auth_token


def _twilio_codec(settings: Settings, _deployment: Deployment) -> Codec:
    account_sid, auth_token = _twilio_account(settings)
    skip = settings.skip_signature_verification
    return TwilioCodec(
        account_sid=account_sid,
        auth_tokens=(auth_token,),
        skip_verification=skip,
        voice=settings.tts.openai.voice,
    )


def _twilio_control(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    account_sid, auth_token = _twilio_account(settings)
    base_url = deployment.twilio_api_base_url
    if base_url == Deployment.twilio_api_base_url:
        base_url = _TWILIO_HOSTS.get(settings.twilio.region or "", base_url)
    return TwilioControl(
        http,
        account_sid=account_sid,
        auth_token=auth_token,
        webhook_url=webhook_url,
        base_url=base_url,
        voice=settings.tts.openai.voice,
    )


def _telnyx_codec(settings: Settings, _deployment: Deployment) -> Codec:
    return TelnyxCodec(
        public_key=settings.telnyx.public_key or "",
        now=time.time,
        skip_verification=settings.skip_signature_verification,
        streams=settings.streaming.enabled,
    )


def _telnyx_control(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    api_key, connection_id = settings.telnyx.api_key, settings.telnyx.connection_id
    if not api_key or not connection_id:
        raise ConfigError(["telnyx.apiKey, telnyx.connectionId: both are needed for provider telnyx; set them"])
    return TelnyxControl(
        http,
        api_key=api_key,
        connection_id=connection_id,
        webhook_url=webhook_url,
        base_url=deployment.telnyx_api_base_url,
        voice=settings.tts.openai.voice,
    )


def _plivo_account(settings: Settings) -> tuple[str, str]:
    if not settings.plivo.auth_id or not settings.plivo.auth_token:
        raise ConfigError(["plivo.authId, plivo.authToken: both are needed for provider plivo; set them"])
    return settings.plivo.auth_id, settings.plivo.auth_token


def _plivo_codec(settings: Settings, _deployment: Deployment) -> Codec:
    _, auth_token = _plivo_account(settings)
    return PlivoCodec(
        auth_tokens=(auth_token,),
        accept_v2=settings.plivo.accept_v2,
        skip_verification=settings.skip_signature_verification,
        voice=settings.tts.openai.voice,
    )


def _plivo_control(
    settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    auth_id, auth_token = _plivo_account(settings)
    return PlivoControl(
        http,
        auth_id=auth_id,
        auth_token=auth_token,
        webhook_url=webhook_url,
        base_url=deployment.plivo_api_base_url,
        voice=settings.tts.openai.voice,
    )


def _mock_codec(settings: Settings, deployment: Deployment) -> Codec:
    unsigned = settings.skip_signature_verification or not deployment.mock_secret
    public = urlsplit(settings.webhook_url).hostname or ""
    alone = _is_loopback(settings.serve.bind) and _is_loopback(public) and not settings.is_tunnelled
    if unsigned and not alone:
        raise ConfigError(["MOCK_SECRET: the mock carrier believes everybody without it; set it, or stay on loopback"])
    return MockCodec(secret=None if unsigned else deployment.mock_secret, now=time.time)


def _mock_control(
    _settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    if deployment.mock_api_base_url is None:
        return InProcess()
    return MockControl(
        http,
        base_url=deployment.mock_api_base_url,
        secret=deployment.mock_secret,
        webhook_url=webhook_url,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_CARRIERS: Final[dict[Provider, _Carrier]] = {
    "mock": _Carrier(_mock_codec, _mock_control),
    "plivo": _Carrier(_plivo_codec, _plivo_control),
    "telnyx": _Carrier(_telnyx_codec, _telnyx_control),
    "twilio": _Carrier(_twilio_codec, _twilio_control),
}
