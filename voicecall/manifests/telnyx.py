"""Telnyx: the keys of its account, and what its Call Control API can do."""

from typing import Final

from voicecall.manifests.fields import Block, Credential, Secret
from voicecall.manifests.manifest import CarrierManifest

__all__ = ["CARRIER", "Telnyx"]


class Telnyx(Block):
    api_key: Secret = None
    """Key of the API, v2."""
    connection_id: Credential = None
    """The Call Control application."""
    public_key: Credential = None
    """Key that webhooks are verified with; required unless `skipSignatureVerification`."""


CARRIER: Final = CarrierManifest(
    name="telnyx",
    relays=True,
    account=Telnyx,
    credentials=((("telnyx", "apiKey"), "TELNYX_API_KEY"), (("telnyx", "connectionId"), "TELNYX_CONNECTION_ID")),
    verification=((("telnyx", "publicKey"), "TELNYX_PUBLIC_KEY"),),
    api_base_url="https://api.telnyx.com/v2",
    by_command=True,
    longest_prompt=3000,  # the `payload` of `speak`
    signatures_expire=True,
    amd_timeout_s=8.0,  # `total_analysis_time_millis` is set to 3.5 s
)
