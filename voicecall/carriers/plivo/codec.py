"""Plivo's codec: verifies and parses webhooks, renders replies in Plivo XML.

Sans-IO; the ingress holds one. The parts are `signature`, `webhooks`, `hangup`, `xml` and `media`.
"""

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from voicecall import ports
from voicecall.call.replies import Reply
from voicecall.carriers.common.form import FORM, Fields, media_type, named, read_form, read_query
from voicecall.carriers.common.signature import token_key, unsigned_key
from voicecall.carriers.plivo import xml
from voicecall.carriers.plivo.media import Media
from voicecall.carriers.plivo.signature import HEADERS, check_signature, signed_v3
from voicecall.carriers.plivo.webhooks import read_webhook
from voicecall.errors import ConfigError, WebhookRejected
from voicecall.ports import HttpAnswer, Verified, Webhook, WebhookRequest

__all__ = ["Codec"]


class Codec(ports.Codec):
    """One account's webhooks.

    `auth_tokens`: all that are valid now: of the account that owns the numbers, of its main account, and the old one
    during a rotation. With `skip_verification` every request is accepted, and still has its key. `voice`: for native
    prompts. Raises ConfigError without a token (attack 7).
    """

    name = "plivo"

    def __init__(
        self,
        *,
        auth_tokens: tuple[str, ...],
        skip_verification: bool = False,
        voice: str | None = None,
    ) -> None:
        if not skip_verification and not (auth_tokens and all(auth_tokens)):
            raise ConfigError(["plivo.authToken is empty: webhooks could not be verified; set it"])
        self.media = Media()
        self.token_key = token_key(next(iter(auth_tokens), ""))
        self._tokens = auth_tokens
        self._skip = skip_verification
        self._voice = voice

    def looks_signed(self, headers: Mapping[str, str]) -> bool:
        own, main, nonce = HEADERS
        return self._skip or bool((headers.get(own) or headers.get(main)) and headers.get(nonce))

    def verify(self, request: WebhookRequest) -> Verified:
        if self._skip:
            return Verified(key=unsigned_key(self.name, request))
        fields = _fields(request)
        signed = signed_v3(request.method, request.url, fields, request.headers.get(HEADERS[2], ""))
        check_signature(request.headers, self._tokens, signed)
        # The key covers what was signed: a reordered query or form is the same request (attack 17).
        return Verified(key="plivo:v3:" + hashlib.sha256(signed.encode()).hexdigest(), form=fields)

    def verify_upgrade(self, url: str, headers: Mapping[str, str]) -> None:
        """`url`: with the path that Plivo connected to, in any scheme. The handshake is signed as a GET of http://."""
        if self._skip or not any(name in headers for name in HEADERS):
            return
        signed = signed_v3("GET", "http://" + url.partition("://")[2], [], headers.get(HEADERS[2], ""))
        check_signature(headers, self._tokens, signed)

    def parse(self, request: WebhookRequest, form: Fields | None = None) -> Webhook:
        try:
            query = named(read_query(urlsplit(request.url).query))
        except ValueError as error:
            raise WebhookRejected("query", status=400) from error
        if request.method == "GET":
            return read_webhook(query, query)
        return read_webhook(query, named(_fields(request) if form is None else form))

    def render(self, reply: Reply) -> HttpAnswer:
        return HttpAnswer(content_type="application/xml", body=xml.render(reply, voice=self._voice))


def _fields(request: WebhookRequest) -> Fields:
    """The form of a POST. A GET has none, and the signature would not cover its body."""
    if request.method == "GET":
        if request.body:
            raise WebhookRejected("signature-body")
        return []
    if request.method != "POST":
        raise WebhookRejected("method", status=405)
    if request.body and media_type(request.headers.get("content-type", "")) != FORM:
        raise WebhookRejected("content-type", status=415)
    return read_form(request.body)
