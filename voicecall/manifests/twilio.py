"""Twilio: the keys of its account, and what its Programmable Voice API can do."""

from typing import Final, Literal

from voicecall.manifests.fields import Block, Credential, Secret
from voicecall.manifests.manifest import CarrierManifest

__all__ = ["CARRIER", "Twilio"]


class Twilio(Block):
    account_sid: Credential = None
    """The account, `AC…`."""
    auth_token: Secret = None
    """Its token; also verifies webhooks."""
    region: Literal["us1", "ie1", "au1"] | None = None
    """Region of the account; without it us1."""


CARRIER: Final = CarrierManifest(
    name="twilio",
    relays=True,
    account=Twilio,
    credentials=((("twilio", "accountSid"), "TWILIO_ACCOUNT_SID"), (("twilio", "authToken"), "TWILIO_AUTH_TOKEN")),
    also_filled=((("fromNumber",), "TWILIO_FROM_NUMBER"),),
    api_base_url="https://api.twilio.com",
    keys_replace=True,
    longest_prompt=2800,  # a document in an update of a call has 4,000 characters; the rest is its markup and URLs
    amd_timeout_s=35.0,  # it reports a machine at its beep, or after 30 s without one
    older_keys={("twilio", "from"): ("fromNumber",)},
    detection_names=("twilio",),
)
