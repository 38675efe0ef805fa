"""Accounts at the carriers: what each needs to let us call and to be believed."""

from typing import Literal

from voicecall.manifests.fields import Block, Credential, Secret

__all__ = ["Plivo", "Telnyx", "Twilio"]


class Telnyx(Block):
    api_key: Secret = None
    """Key of the API, v2."""
    connection_id: Credential = None
    """The Call Control application our calls belong to."""
    public_key: Credential = None
    """Key that webhooks are verified with; required unless `skipSignatureVerification`."""


class Twilio(Block):
    account_sid: Credential = None
    """The account, `AC…`."""
    auth_token: Secret = None
    """Its token; webhooks are verified with it, too."""
    region: Literal["us1", "ie1", "au1"] | None = None
    """Where Twilio keeps the account; us1 if nothing is said."""


class Plivo(Block):
    auth_id: Credential = None
    """The account."""
    auth_token: Secret = None
    """Its token; webhooks are verified with it, too."""
    accept_v2: bool = False
    """Believe the signature scheme before V3 as well, which covers neither query nor body."""
