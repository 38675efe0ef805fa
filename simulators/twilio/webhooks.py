"""Twilio's webhooks: forms, signed with HMAC-SHA1, with an idempotency token that stays the same on each retry."""

import uuid
from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from simulators.phone.retries import CONNECT
from simulators.phone.services import Services
from simulators.phone.webhook_sender import Answer, Message, Webhook, WebhookSender
from simulators.twilio.retries import retry_policy
from simulators.twilio.signature import sign

__all__ = ["CONNECT_FAILURE", "HTTP_FAILURE", "Fields", "Webhooks", "error_code"]

Fields = Sequence[tuple[str, str]]

HTTP_FAILURE = 11200
CONNECT_FAILURE = 11205


def error_code(failure: str) -> int:
    """Twilio's error for a failed request."""
    return CONNECT_FAILURE if failure == CONNECT else HTTP_FAILURE


class Webhooks(WebhookSender):
    """Sends the webhooks of one account."""

    def __init__(self, token: str, services: Services) -> None:
        super().__init__(services, error_code)
        self._token = token

    async def deliver(self, kind: str, call_sid: str, url: str, fields: Fields, method: str = "POST") -> Answer:
        """Deliver one webhook with its retries; returns the last attempt's answer. Network failures are answers."""
        return await self.send(self._webhook(kind, call_sid, url, fields, method.upper()))

    def _webhook(self, kind: str, call_sid: str, url: str, fields: Fields, method: str) -> Webhook:
        bare, policy = retry_policy(url)
        form = urlencode(fields)
        if method == "GET":
            bare += ("&" if urlsplit(bare).query else "?") + form
        signature = sign(self._token, bare, fields if method == "POST" else ())
        token = str(uuid.uuid4())
        headers = {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "X-Twilio-Signature": signature,
            "I-Twilio-Idempotency-Token": token,
        }
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        body = form.encode() if method == "POST" else b""
        # Made once: each attempt and each copy has the same bytes.
        message = Message(body, headers, {"signature": signature, "token": token})
        facts = {**dict(fields), "kind": kind, "url": bare}
        return Webhook(kind, call_sid, bare, method, policy, lambda _: message, facts)
