"""Plivo's webhooks: forms by POST or GET, signed V3, retried as the URL's fragment allows."""

from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from simulators.phone.retries import CONNECT, READ, Limits, RetryPolicy, read_policy
from simulators.phone.services import Services
from simulators.phone.webhook_sender import Answer, Message, Webhook, WebhookSender
from simulators.plivo.signature import Keys

__all__ = ["DEFAULT", "STUBBORN", "Fields", "Webhooks"]

Fields = Sequence[tuple[str, str]]

DEFAULT = RetryPolicy(attempts=2, on=frozenset({CONNECT, READ}), connect_s=2.0, read_s=15.0, total_s=55.0)
STUBBORN = RetryPolicy(attempts=3, on=frozenset({"all"}), connect_s=2.0, read_s=15.0, total_s=60.0)
"""The policy of an API call's answer URL: three tries within a minute, then the fallback URL."""
_LIMITS = Limits(connect_ms=10_000, read_ms=40_000, total_ms=55_000)
_FAILED = 1


class Webhooks(WebhookSender):
    """Sends the webhooks of one account."""

    def __init__(self, keys: Keys, services: Services) -> None:
        super().__init__(services, lambda _: _FAILED)
        self._keys = keys

    async def deliver(
        self,
        kind: str,
        call_sid: str,
        url: str,
        fields: Fields,
        method: str = "POST",
        *,
        default: RetryPolicy = DEFAULT,
    ) -> Answer:
        """Deliver one webhook with its retries; returns the last attempt's answer. Network failures are answers."""
        bare, policy = read_policy(url, default, _LIMITS)
        form = urlencode(fields)
        if method == "GET":
            bare += ("&" if urlsplit(bare).query else "?") + form

        def write(attempt: int) -> Message:
            del attempt
            signed = self._keys.headers(method, bare, fields if method == "POST" else ())
            headers = {"User-Agent": "Plivo", "Accept": "*/*", **signed}
            if method == "POST":
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            evidence = {
                "signature": signed["X-Plivo-Signature-V3"],
                "token": signed["X-Plivo-Signature-V3-Nonce"],
            }
            return Message(form.encode() if method == "POST" else b"", headers, evidence)

        values = dict(fields)
        facts = {**values, "kind": kind, "call_sid": call_sid, "url": bare}
        facts |= {"from": values.get("From", ""), "to": values.get("To", "")}
        return await self.send(Webhook(kind, call_sid, bare, method, policy, write, facts))
