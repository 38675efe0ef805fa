"""The configured carrier, and only one that can tell its friends from strangers."""

from dataclasses import replace
from typing import Any

import pytest

from tests.carriers.rest_api import says, serving, session
from tests.carriers.twilio_requests import ACCOUNT, CALL, TOKEN, VOICE, signed
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.carriers.mock.in_process import InProcess
from voicecall.carriers.registry import codec_for, control_for
from voicecall.errors import ConfigError
from voicecall.ports import CallControl, WebhookRequest
from voicecall.settings import Deployment, Settings

_TWILIO = {
    "provider": "twilio",
    "twilio": {"accountSid": ACCOUNT, "authToken": TOKEN},
    "publicUrl": "https://calls.example.com/voice/webhook",
}


def settings(**keys: Any) -> Settings:
    return Settings.model_validate(keys)


async def _dial(control: CallControl) -> LegId:
    return await control.dial(
        call=CallId(CALL),
        effect=EffectId(f"{CALL}.1"),
        to=E164("+15550002222"),
        from_=E164("+15550001111"),
        ring_timeout_s=30.0,
        time_limit_s=60,
    )


def test_twilio_verifies_with_the_configured_token() -> None:
    """From the file to the signature."""
    codec = codec_for(settings(**_TWILIO), Deployment())
    assert codec.name == "twilio"
    assert codec.verify(signed(VOICE)).key
    assert codec.parse(signed(VOICE)).inbound


async def test_twilio_is_asked_where_the_deployment_says() -> None:
    """`TWILIO_API_BASE_URL` points at somebody's fake; the callback goes to the public URL."""
    async with serving(says(201, {"sid": "CA" + "0" * 32})) as api, session() as http:
        await _dial(control_for(settings(**_TWILIO), Deployment(twilio_api_base_url=api.url), http))
    assert dict(api.asked[0].form)["Url"].startswith(f"{_TWILIO['publicUrl']}?callId={CALL}")


async def test_a_region_chooses_the_host_unless_the_deployment_does() -> None:
    """Behaviour 4.2: the region selects the API's host."""
    irish = settings(**{**_TWILIO, "twilio": {"accountSid": ACCOUNT, "authToken": TOKEN, "region": "ie1"}})
    async with session() as http:
        hosts = [
            vars(control_for(irish, deployment, http))["_calls"].split("/2010")[0]
            for deployment in (Deployment(), Deployment(twilio_api_base_url="http://127.0.0.1:1"))
        ]
    assert hosts == ["https://api.dublin.ie1.twilio.com", "http://127.0.0.1:1"]


@pytest.mark.parametrize("twilio", [{}, {"accountSid": ACCOUNT}, {"authToken": TOKEN}])
def test_twilio_without_credentials_is_a_configuration_error(twilio: dict[str, str]) -> None:
    """Attack 7: told at start, never at the first webhook."""
    with pytest.raises(ConfigError):
        codec_for(settings(**{**_TWILIO, "twilio": twilio}), Deployment())


def test_a_carrier_that_is_not_built_in_is_named() -> None:
    """The operator reads which ones are."""
    with pytest.raises(ConfigError, match="'plivo' is not built in; use mock or twilio"):
        codec_for(settings(provider="plivo"), Deployment())


def test_the_mock_carrier_believes_everybody_on_loopback_only() -> None:
    """Attack 8: an open door must not be reachable from outside."""
    anybody = WebhookRequest(method="POST", url="http://127.0.0.1/", headers={}, body=b"{}")
    assert codec_for(settings(), Deployment()).verify(anybody).key
    for reachable in (settings(serve={"bind": "0.0.0.0"}), settings(publicUrl="https://calls.example.com/x")):
        with pytest.raises(ConfigError, match="MOCK_SECRET"):
            codec_for(reachable, Deployment())
        codec = codec_for(reachable, Deployment(mock_secret="s"))
        assert (codec.name, codec.looks_signed({})) == ("mock", False)
        with pytest.raises(ConfigError, match="MOCK_SECRET"):
            codec_for(reachable.model_copy(update={"skip_signature_verification": True}), Deployment(mock_secret="s"))


async def test_the_mock_carrier_is_nowhere_or_where_the_deployment_says() -> None:
    """Without `MOCK_API_BASE_URL` no server is needed at all."""
    here = Deployment()
    async with serving(says(201, {"leg": "leg-1"})) as api, session() as http:
        assert isinstance(control_for(settings(), here, http), InProcess)
        assert await _dial(control_for(settings(), replace(here, mock_api_base_url=api.url), http)) == "leg-1"
