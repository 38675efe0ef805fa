"""No call is dialled while no public webhook URL is known."""

from typing import Any

import aiohttp
import pytest

from voicecall.call.ids import E164, CallId, EffectId
from voicecall.carriers.registry import control_for
from voicecall.errors import NotExposed
from voicecall.manifests import CARRIERS
from voicecall.ports import Address
from voicecall.settings import Deployment, Settings

CLOSED = "http://127.0.0.1:9"
LOCAL = Deployment(api_base_urls=dict.fromkeys(CARRIERS, CLOSED))


class NoAddress:
    """The public address while the tunnel is down."""

    async def now(self) -> Address:
        raise NotExposed("no tunnel is up")


@pytest.mark.parametrize(
    "raw",
    [
        {"provider": "twilio", "twilio": {"accountSid": "AC1", "authToken": "t"}},
        {"provider": "telnyx", "telnyx": {"apiKey": "k", "connectionId": "1"}},
        {"provider": "plivo", "plivo": {"authId": "MA1", "authToken": "t"}},
        {"provider": "mock"},
    ],
    ids=lambda raw: raw["provider"],
)
async def test_a_dial_without_a_public_url_is_refused_before_anything_is_sent(raw: dict[str, Any]) -> None:
    """A request would fail otherwise: nothing listens on the carrier's port."""
    async with aiohttp.ClientSession() as http:
        control = control_for(Settings.model_validate(raw), LOCAL, http, NoAddress())
        with pytest.raises(NotExposed) as caught:
            await control.dial(
                call=CallId("11111111-2222-4333-8444-555555555555"),
                effect=EffectId("e1"),
                to=E164("+15550001"),
                from_=E164("+15550002"),
                ring_timeout_s=30,
                time_limit_s=60,
            )
    assert (caught.value.code, caught.value.retryable) == ("not-exposed", True)
