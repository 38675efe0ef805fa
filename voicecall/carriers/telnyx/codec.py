"""Telnyx's codec: verifies and parses webhooks. Calls are controlled by commands, not by answers to webhooks.

Sans-IO; the ingress holds one. The parts are `signature`, `webhooks`, `client_state` and `media`.
"""

from collections.abc import Callable, Mapping

from voicecall import ports
from voicecall.call.replies import Reply
from voicecall.carriers.common.form import Fields
from voicecall.carriers.common.json_body import read_object
from voicecall.carriers.common.signature import token_key, unsigned_key
from voicecall.carriers.telnyx.media import Media
from voicecall.carriers.telnyx.signature import HEADERS, check_signature, read_public_key
from voicecall.carriers.telnyx.webhooks import read_webhook
from voicecall.errors import ConfigError, WebhookRejected
from voicecall.ports import HttpAnswer, Verified, Webhook, WebhookRequest

__all__ = ["Codec"]


class Codec(ports.Codec):
    """One account's webhooks. `public_key`: PEM, or base64 of the 32 bytes or of DER. `now`: epoch seconds.

    Telnyx reads only the status of an answer, and repeats a webhook that is not answered within two seconds. So
    `render` gives an empty 200 whatever the reply is: an inbound leg rings until `Control.answer` or `Control.reject`
    is sent as an effect of the call.

    With `skip_verification` every request is accepted, and still has its key. Raises ConfigError without a public key
    (attack 7).
    """

    name = "telnyx"
    signs_sockets = False

    def __init__(self, *, public_key: str, now: Callable[[], float], skip_verification: bool = False) -> None:
        if not skip_verification and not public_key.strip():
            raise ConfigError(["telnyx.publicKey is empty: webhooks could not be verified; set it"])
        self.media = Media()
        self.token_key = token_key("")  # what verifies Telnyx's webhooks is public, and answers have no tokens
        self._key = None if skip_verification else read_public_key(public_key)
        self._now = now

    def looks_signed(self, headers: Mapping[str, str]) -> bool:
        return self._key is None or all(headers.get(name) for name in HEADERS)

    def verify(self, request: WebhookRequest) -> Verified:
        if self._key is None:
            return Verified(key=unsigned_key(self.name, request))
        return Verified(key=check_signature(self._key, request.headers, request.body, now=self._now()))

    def verify_upgrade(self, url: str, headers: Mapping[str, str]) -> None:
        """Telnyx does not sign its handshake; the single-use token in the socket's path authenticates it."""

    def parse(self, request: WebhookRequest, form: Fields | None = None) -> Webhook:  # noqa: ARG002  bodies are JSON
        kind, _, charset = request.headers.get("content-type", "").lower().partition(";")
        if kind.strip() != "application/json" or charset.strip() not in ("", "charset=utf-8", 'charset="utf-8"'):
            raise WebhookRejected("content-type", status=415)
        return read_webhook(read_object(request.body))

    def render(self, reply: Reply) -> HttpAnswer:  # noqa: ARG002 - Telnyx does not read it
        return HttpAnswer()
