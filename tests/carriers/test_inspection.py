"""Inspection of the account at each carrier's simulator: read-only requests."""

from dataclasses import replace

import aiohttp
import pytest

from simulators.stack.carriers import CARRIERS
from tests.simulators.carrier_process import running_carrier
from voicecall.carriers.registry import inspection_for
from voicecall.settings import Deployment, Settings

WEBHOOK = "https://voice.example.test/voice/webhook"


@pytest.mark.parametrize("name", sorted(CARRIERS))
async def test_an_inspection_shows_account_clock_and_webhook(name: str) -> None:
    """The account, its clock and its webhook for the right secret; 401 and no webhook for a wrong one."""
    simulator = CARRIERS[name]
    with running_carrier(f"simulators.{name}", *simulator.options, "--webhook", WEBHOOK) as ready:
        account = simulator.config(ready)
        stands = replace(
            Deployment(),
            api_base_urls={name: f"{ready['url']}{simulator.path}"},
            carrier_secrets={"mock": simulator.environment.get("MOCK_SECRET", "")},
        )
        config = {"provider": name, "fromNumber": "+15550001000", **({name: account} if account else {})}
        secret = {"twilio": "authToken", "telnyx": "apiKey", "plivo": "authToken"}.get(name)
        wrong = {**config, name: {**account, secret: "another"}} if secret else config
        async with aiohttp.ClientSession() as http:
            seen = await inspection_for(Settings.model_validate(config), stands, http)
            refused = await inspection_for(
                Settings.model_validate(wrong), replace(stands, carrier_secrets={"mock": "another"}), http
            )
    assert seen is not None
    assert refused is not None
    assert (seen.status, bool(seen.account), seen.trouble) == (200, True, "")
    assert seen.webhook_url == (None if name == "mock" else WEBHOOK)
    assert seen.server_time is not None
    assert abs(seen.server_time - seen.asked_at) < 30
    assert (refused.status, refused.webhook_url) == (401, None)


async def test_a_carrier_that_is_nowhere_is_asked_nothing() -> None:
    """The mock without its simulator."""
    async with aiohttp.ClientSession() as http:
        assert await inspection_for(Settings.model_validate({"provider": "mock"}), Deployment(), http) is None


async def test_silence_is_a_finding_not_an_error() -> None:
    config = {"provider": "telnyx", "telnyx": {"apiKey": "k", "connectionId": "1"}}
    stands = replace(Deployment(), api_base_urls={"telnyx": "http://127.0.0.1:1"})
    async with aiohttp.ClientSession() as http:
        seen = await inspection_for(Settings.model_validate(config), stands, http)
    assert seen is not None
    assert (seen.status, bool(seen.trouble)) == (0, True)
