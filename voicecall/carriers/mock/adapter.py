"""Builds the mock carrier from the environment: the address of its API, if it has one, and its secret."""

import time
from collections.abc import Awaitable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from voicecall import ports
from voicecall.carriers.common.adapter import Adapter
from voicecall.carriers.common.rest import RestClient
from voicecall.carriers.mock.codec import Codec
from voicecall.carriers.mock.control import Control
from voicecall.carriers.mock.in_process import InProcess
from voicecall.carriers.mock.inspection import inspect
from voicecall.errors import ConfigError
from voicecall.manifests.mock import CARRIER
from voicecall.ports import CallControl, Inspection, WebhookUrl
from voicecall.settings import Deployment, Settings

__all__ = ["ADAPTER"]


def _codec(settings: Settings, deployment: Deployment) -> ports.Codec:
    unsigned = settings.skip_signature_verification or not deployment.secret(CARRIER)
    public = urlsplit(settings.webhook_url).hostname or ""
    on_loopback = _is_loopback(settings.serve.bind) and _is_loopback(public) and not settings.is_tunnelled
    if unsigned and not on_loopback:
        raise ConfigError(
            ["MOCK_SECRET: without it the mock carrier's webhooks are not verified; set it, or stay on loopback"]
        )
    return Codec(secret=None if unsigned else deployment.secret(CARRIER), now=time.time)


def _control(
    _settings: Settings, deployment: Deployment, http: aiohttp.ClientSession, webhook_url: WebhookUrl
) -> CallControl:
    if not (base_url := deployment.api_base_url(CARRIER)):
        return InProcess()
    return Control(
        http,
        base_url=base_url,
        secret=deployment.secret(CARRIER),
        webhook_url=webhook_url,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _inspect(_settings: Settings, deployment: Deployment, http: aiohttp.ClientSession) -> Awaitable[Inspection] | None:
    if not (base_url := deployment.api_base_url(CARRIER)):
        return None
    secret = deployment.secret(CARRIER)
    rest = RestClient(http=http, authorization=f"Bearer {secret}" if secret else "")
    return inspect(rest, base_url=base_url)


ADAPTER: Final = Adapter(codec=_codec, control=_control, inspect=_inspect)
