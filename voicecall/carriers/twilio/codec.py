"""Twilio's codec: verifies and parses webhooks, renders replies in TwiML.

Sans-IO; the ingress holds one. The parts are `signature`, `webhooks`, `twiml` and `media`.
"""

from collections.abc import Mapping

from voicecall import ports
from voicecall.call.replies import Reply
from voicecall.carriers.common.form import FORM, Fields, media_type, named, read_form
from voicecall.carriers.common.signature import token_key, unsigned_key
from voicecall.carriers.twilio import twiml
from voicecall.carriers.twilio.media import Media
from voicecall.carriers.twilio.signature import check_body_hash, check_signature, request_key
from voicecall.carriers.twilio.webhooks import read_webhook
from voicecall.errors import ConfigError, WebhookRejected
from voicecall.ports import HttpAnswer, Verified, Webhook, WebhookRequest

__all__ = ["Codec"]

_SIGNATURE = "x-twilio-signature"


class Codec(ports.Codec):
    """One account's webhooks.

    `auth_tokens`: all that are valid now, two during a rotation. With `skip_verification` every request is accepted,
    and still has its key. `voice`: for native prompts. Raises ConfigError without a token (attack 7).
    """

    name = "twilio"

    def __init__(
        self,
        *,
        account_sid: str,
        auth_tokens: tuple[str, ...],
        skip_verification: bool = False,
        voice: str | None = None,
    ) -> None:
        if not skip_verification and not (auth_tokens and all(auth_tokens)):
            raise ConfigError(["twilio.authToken is empty: webhooks could not be verified; set it"])
        self.media = Media(account_sid)
        self.token_key = token_key(next(iter(auth_tokens), ""))
        self._account_sid = account_sid
        self._tokens = auth_tokens
        self._skip = skip_verification
        self._voice = voice

    def looks_signed(self, headers: Mapping[str, str]) -> bool:
        return self._skip or bool(headers.get(_SIGNATURE))

    def verify(self, request: WebhookRequest) -> Verified:
        if self._skip:
            return Verified(key=unsigned_key(self.name, request))
        form: Fields | None = None
        signature = request.headers.get(_SIGNATURE, "")
        kind = media_type(request.headers.get("content-type", ""))
        if kind == FORM:
            form = read_form(request.body)
            check_signature(signature, self._tokens, request.url, form, fragment=twiml.RETRIES)
        elif kind == "application/json":
            check_signature(signature, self._tokens, request.url, [])
            check_body_hash(request.url, request.body)
        elif not request.body:
            check_signature(signature, self._tokens, request.url, [])
        else:
            raise WebhookRejected("content-type", status=415)
        return Verified(key=request_key(signature), form=form)

    def verify_upgrade(self, url: str, headers: Mapping[str, str]) -> None:
        """`url` in either of its schemes: the handshake is signed over wss://, and HTTP servers see https://."""
        signature = headers.get(_SIGNATURE)
        if self._skip or signature is None:
            return
        scheme, _, rest = url.partition("://")
        socket, plain = ("wss", "https") if scheme in ("wss", "https") else ("ws", "http")
        try:
            check_signature(signature, self._tokens, f"{socket}://{rest}", [])
        except WebhookRejected as error:
            if error.reason != "signature-mismatch":
                raise
            check_signature(signature, self._tokens, f"{plain}://{rest}", [])

    def parse(self, request: WebhookRequest, form: Fields | None = None) -> Webhook:
        if media_type(request.headers.get("content-type", "")) != FORM:
            raise WebhookRejected("content-type", status=415)
        fields = named(read_form(request.body) if form is None else form)
        return read_webhook(request.url, fields, self._account_sid)

    def render(self, reply: Reply) -> HttpAnswer:
        return HttpAnswer(content_type="application/xml", body=twiml.render(reply, voice=self._voice))
