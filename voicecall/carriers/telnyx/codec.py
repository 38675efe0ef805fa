"""Telnyx's language: which requests are Telnyx's and what they mean. Our side of it is commands, not answers.

Sans-IO; the ingress holds one. Each part has its own file (signature, webhooks, client_state, media).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from voicecall import ports
from voicecall.call.events import DtmfReceived
from voicecall.call.replies import Reply
from voicecall.carriers.common.json_body import read_object
from voicecall.carriers.telnyx.media import Media
from voicecall.carriers.telnyx.signature import HEADERS, check_signature, read_public_key, unsigned_key
from voicecall.carriers.telnyx.webhooks import read_webhook
from voicecall.errors import ConfigError, WebhookRejected
from voicecall.ports import HttpAnswer, Verified, Webhook, WebhookRequest

__all__ = ["Codec"]


class Codec(ports.Codec):
    """One account's webhooks. `public_key`: PEM, or base64 of the 32 bytes or of DER. `now`: epoch seconds.

    Telnyx reads the status of our answer and nothing else, and repeats what is not answered within two seconds. So
    `render` gives an empty 200 whatever the reply is: an inbound leg keeps ringing until `Control.answer` or
    `Control.reject` is sent, by whoever carries out the call's effects.

    `streams`: calls have a media socket, which tells of the keys.

    `skip_verification` believes everybody and still gives each request its key (behaviour 6.6). Raises ConfigError
    without a key: nothing is accepted by mistake (attack 7).
    """

    name = "telnyx"

    def __init__(
        self, *, public_key: str, now: Callable[[], float], skip_verification: bool = False, streams: bool = False
    ) -> None:
        if not skip_verification and not public_key.strip():
            raise ConfigError(["telnyx.publicKey is empty: webhooks could not be verified; set it"])
        self.media = Media()
        self._key = None if skip_verification else read_public_key(public_key)
        self._now = now
        self._streams = streams

    def looks_signed(self, headers: Mapping[str, str]) -> bool:
        return self._key is None or all(headers.get(name) for name in HEADERS)

    def verify(self, request: WebhookRequest) -> Verified:
        if self._key is None:
            return Verified(key=unsigned_key(request))
        return Verified(key=check_signature(self._key, request.headers, request.body, now=self._now()))

    def verify_upgrade(self, url: str, headers: Mapping[str, str]) -> None:
        """Telnyx does not sign its handshake: the single-use token in the socket's path is the proof."""

    def parse(self, request: WebhookRequest) -> Webhook:
        kind, _, charset = request.headers.get("content-type", "").lower().partition(";")
        if kind.strip() != "application/json" or charset.strip() not in ("", "charset=utf-8", 'charset="utf-8"'):
            raise WebhookRejected("content-type", status=415)
        webhook = read_webhook(read_object(request.body))
        if not self._streams:
            return webhook
        # Telnyx tells each key twice, and webhooks overtake each other: the socket has them in order.
        return replace(webhook, events=tuple(event for event in webhook.events if not isinstance(event, DtmfReceived)))

    def render(self, reply: Reply) -> HttpAnswer:  # noqa: ARG002 - Telnyx does not read it
        return HttpAnswer()
