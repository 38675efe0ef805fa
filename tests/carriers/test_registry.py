"""The configured carrier's adapter, which is built only when webhooks can be verified."""

from dataclasses import replace
from typing import Any

import pytest

from tests.carriers import plivo_requests, telnyx_requests
from tests.carriers.rest_api import says, serving, session
from tests.carriers.twilio_requests import ACCOUNT, CALL, TOKEN, VOICE, signed
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.carriers.mock.in_process import InProcess
from voicecall.carriers.registry import codec_for, control_for
from voicecall.errors import ConfigError, WebhookRejected
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
    """`TWILIO_API_BASE_URL` names a test server; the callback is the public URL."""
    async with serving(says(201, {"sid": "CA" + "0" * 32})) as api, session() as http:
        await _dial(control_for(settings(**_TWILIO), Deployment(api_base_urls={"twilio": api.url}), http))
    assert dict(api.asked[0].form)["Url"].startswith(f"{_TWILIO['publicUrl']}?callId={CALL}")


async def test_a_region_chooses_the_host_unless_the_deployment_does() -> None:
    """The region selects the API's host."""
    irish = settings(**{**_TWILIO, "twilio": {"accountSid": ACCOUNT, "authToken": TOKEN, "region": "ie1"}})
    async with session() as http:
        hosts = [
            vars(control_for(irish, deployment, http))["_calls"].split("/2010")[0]
            for deployment in (Deployment(), Deployment(api_base_urls={"twilio": "http://127.0.0.1:1"}))
        ]
    assert hosts == ["https://api.dublin.ie1.twilio.com", "http://127.0.0.1:1"]


@pytest.mark.parametrize("twilio", [{}, {"accountSid": ACCOUNT}, {"authToken": TOKEN}])
def test_twilio_without_credentials_is_a_configuration_error(twilio: dict[str, str]) -> None:
    """Attack 7: reported at start, not at the first webhook."""
    with pytest.raises(ConfigError):
        codec_for(settings(**{**_TWILIO, "twilio": twilio}), Deployment())


async def test_telnyx_verifies_and_dials_as_configured() -> None:
    """From the file to the signature, and to the API that the deployment names."""
    account = {"apiKey": "KEY1", "connectionId": "42", "publicKey": telnyx_requests.PUBLIC_KEY}
    chosen = settings(provider="telnyx", telnyx=account, publicUrl=telnyx_requests.URL)
    codec = codec_for(chosen, Deployment())
    assert (codec.name, codec.looks_signed({})) == ("telnyx", False)
    with pytest.raises(WebhookRejected, match="signature-stale"):
        codec.verify(telnyx_requests.signed(b"{}", timestamp="1"))
    async with serving(says(200, {"data": {"call_control_id": telnyx_requests.LEG}})) as api, session() as http:
        await _dial(control_for(chosen, Deployment(api_base_urls={"telnyx": f"{api.url}/v2"}), http))
    assert api.asked[0].line == "POST /v2/calls"
    assert (api.asked[0].json["connection_id"], api.asked[0].json["webhook_url"]) == ("42", telnyx_requests.URL)


async def test_plivo_verifies_and_dials_as_configured() -> None:
    """From the file to the signature, and to the API that the deployment names."""
    account = {"authId": plivo_requests.AUTH_ID, "authToken": plivo_requests.TOKEN}
    chosen = settings(provider="plivo", plivo=account, publicUrl=plivo_requests.URL)
    codec = codec_for(chosen, Deployment())
    assert codec.name == "plivo"
    assert codec.verify(plivo_requests.signed(plivo_requests.VOICE)).key
    async with serving(says(201, {"request_uuid": plivo_requests.LEG})) as api, session() as http:
        await _dial(control_for(chosen, Deployment(api_base_urls={"plivo": f"{api.url}/v1"}), http))
    assert api.asked[0].line == f"POST /v1/Account/{plivo_requests.AUTH_ID}/Call/"
    assert api.asked[0].json["answer_url"].startswith(f"{plivo_requests.URL}?callId={CALL}")


@pytest.mark.parametrize(
    "keys",
    [
        {"provider": "telnyx"},
        {"provider": "telnyx", "telnyx": {"publicKey": "nonsense"}},
        {"provider": "plivo"},
        {"provider": "plivo", "plivo": {"authId": "MA"}},
    ],
)
def test_no_carrier_accepts_unverified_webhooks_for_lack_of_a_key(keys: dict[str, Any]) -> None:
    """Attack 7: reported at start."""
    with pytest.raises(ConfigError):
        codec_for(settings(**keys), Deployment())


@pytest.mark.parametrize("keys", [{"provider": "telnyx"}, {"provider": "plivo"}, {"provider": "twilio"}])
async def test_no_carrier_is_commanded_without_credentials(keys: dict[str, Any]) -> None:
    """A worker that could not hang up must not take calls."""
    async with session() as http:
        with pytest.raises(ConfigError):
            control_for(settings(**keys), Deployment(), http)


def test_a_carrier_that_is_not_built_in_is_named() -> None:
    """The operator reads which ones are."""
    unknown = settings().model_copy(update={"provider": "vonage"})
    with pytest.raises(ConfigError, match="'vonage' is not built in; use mock or plivo or telnyx or twilio"):
        codec_for(unknown, Deployment())


def test_the_mock_carrier_accepts_unsigned_webhooks_on_loopback_only() -> None:
    """Attack 8: an ingress that accepts everything must not be reachable from outside."""
    unsigned = WebhookRequest(method="POST", url="http://127.0.0.1/", headers={}, body=b"{}")
    assert codec_for(settings(), Deployment()).verify(unsigned).key
    for reachable in (settings(serve={"bind": "0.0.0.0"}), settings(publicUrl="https://calls.example.com/x")):
        with pytest.raises(ConfigError, match="MOCK_SECRET"):
            codec_for(reachable, Deployment())
        codec = codec_for(reachable, Deployment(carrier_secrets={"mock": "s"}))
        assert (codec.name, codec.looks_signed({})) == ("mock", False)
        with pytest.raises(ConfigError, match="MOCK_SECRET"):
            codec_for(
                reachable.model_copy(update={"skip_signature_verification": True}),
                Deployment(carrier_secrets={"mock": "s"}),
            )


async def test_the_mock_carrier_s_api_is_none_or_the_one_in_the_environment() -> None:
    """Without `MOCK_API_BASE_URL` no server is needed at all."""
    here = Deployment()
    async with serving(says(201, {"leg": "leg-1"})) as api, session() as http:
        assert isinstance(control_for(settings(), here, http), InProcess)
        assert await _dial(control_for(settings(), replace(here, api_base_urls={"mock": api.url}), http)) == "leg-1"
