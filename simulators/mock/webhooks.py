"""The mock carrier's webhooks: one JSON event each, signed again for each attempt, with an id that is kept on a retry.

The order of events is not guaranteed: each is sent by its own task.
"""

import time
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from simulators.mock.signature import headers
from simulators.phone.retries import CONNECT, READ, RetryPolicy
from simulators.phone.services import Services
from simulators.phone.webhook_sender import Answer, Message, Webhook, WebhookSender

__all__ = ["DEFAULT", "Webhooks"]

DEFAULT = RetryPolicy(
    attempts=4,
    # Every other status is final.
    on=frozenset({CONNECT, READ, "5xx", "429"}),
    connect_s=2.0,
    read_s=5.0,
    total_s=30.0,
    pause_s=0.25,
    backoff=2.0,
)
_FAILED = 1


class Webhooks(WebhookSender):
    """Sends the webhooks of one account."""

    def __init__(self, secret: str, services: Services) -> None:
        super().__init__(services, lambda _: _FAILED)
        self._secret = secret

    async def deliver(self, call_sid: str, url: str, event: Mapping[str, Any]) -> Answer:
        """Deliver one event with its retries; returns the last attempt's answer. Network failures are answers."""
        name = str(uuid.uuid4())
        body = orjson.dumps({"id": name, "event": event})

        def write(attempt: int) -> Message:
            del attempt
            signed = headers(self._secret, int(time.time()), url, body)
            evidence = {"signature": signed["X-Mock-Signature"], "token": name}
            return Message(body, {"Content-Type": "application/json", "User-Agent": "mock-carrier", **signed}, evidence)

        kind = event["type"]
        facts = {key: str(value) for key, value in event.items()} | {"kind": kind, "call_sid": call_sid, "url": url}
        return await self.send(Webhook(kind, call_sid, url, "POST", DEFAULT, write, facts))
