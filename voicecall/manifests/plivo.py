"""Plivo: the keys of its account, and what its Voice API can do."""

from typing import Final

from voicecall.manifests.fields import Block, Credential, Secret
from voicecall.manifests.manifest import CarrierManifest

__all__ = ["CARRIER", "Plivo"]


class Plivo(Block):
    auth_id: Credential = None
    """The account."""
    auth_token: Secret = None
    """Its token; also verifies webhooks."""


CARRIER: Final = CarrierManifest(
    name="plivo",
    account=Plivo,
    credentials=((("plivo", "authId"), "PLIVO_AUTH_ID"), (("plivo", "authToken"), "PLIVO_AUTH_TOKEN")),
    api_base_url="https://api.plivo.com/v1",
    removed_keys={
        ("plivo", "acceptV2"): "a signature of scheme V2 covers neither query nor body, so one captured request would"
        " sign any other; rely on V3, with which Plivo signs every request too"
    },
    longest_prompt=3000,  # `<Speak>` with a Polly voice
    reports_beep=False,
    amd_timeout_s=8.0,  # `machine_detection_time` is set to 5 s
)
