"""Telnyx's webhooks: JSON events, signed for each attempt, retried on each URL, then on the failover URL.

An event's `data` is fixed when it happens; `meta` holds the attempt. The order of events is not guaranteed: each is
sent by its own task.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from simulators.phone.retries import CONNECT, READ, RetryPolicy
from simulators.phone.services import Services
from simulators.phone.webhook_sender import Answer, Message, Webhook, WebhookSender
from simulators.telnyx.signature import Signer

__all__ = ["DEFAULT", "Event", "Routes", "Webhooks"]

DEFAULT = RetryPolicy(
    attempts=3,
    # Other 4xx and 3xx are final.
    on=frozenset({CONNECT, READ, "5xx", "408", "429"}),
    connect_s=2.0,
    read_s=2.0,
    total_s=60.0,
    pause_s=0.5,
    backoff=2.0,
)
_FAILED = 1


@dataclass(frozen=True)
class Routes:
    """The webhook URLs of a call. `by_type` and `pauses_ms` are the per-event settings of a dial request."""

    url: str
    failover_url: str = ""
    by_type: Mapping[str, str] = field(default_factory=dict)
    pauses_ms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Event:
    """One fact about a call: `data` of the envelope."""

    def __init__(self, event_type: str, payload: Mapping[str, Any]) -> None:
        self.type = event_type
        self.payload = payload
        self.data = {
            "record_type": "event",
            "event_type": event_type,
            "id": str(uuid.uuid4()),
            "occurred_at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "payload": payload,
        }


class Webhooks(WebhookSender):
    """Sends the webhooks of one account."""

    def __init__(self, signer: Signer, services: Services) -> None:
        super().__init__(services, lambda _: _FAILED)
        self._signer = signer

    async def deliver(self, call_sid: str, event: Event, routes: Routes, parties: Mapping[str, str]) -> None:
        """Deliver one event: to its URL with retries, and if that fails, to the failover URL with retries.

        Fault rules also match `parties`, the call's numbers, which not every event contains.
        """
        url = routes.by_type.get(event.type, routes.url)
        if not url:
            return
        pauses = tuple(ms / 1000 for ms in routes.pauses_ms.get(event.type, ()))
        answer = await self.send(self._webhook(call_sid, event, url, pauses, parties))
        if answer.failure and routes.failover_url and not _final(answer):
            await self.send(self._webhook(call_sid, event, routes.failover_url, (), parties))

    def _webhook(
        self, call_sid: str, event: Event, url: str, pauses_s: tuple[float, ...], parties: Mapping[str, str]
    ) -> Webhook:
        policy = DEFAULT
        if pauses_s:
            policy = RetryPolicy(1 + len(pauses_s), policy.on, 2.0, 2.0, 60.0, pauses_s=pauses_s)

        def write(attempt: int) -> Message:
            body = orjson.dumps({"data": event.data, "meta": {"attempt": attempt, "delivered_to": url}})
            signed = self._signer.headers(int(time.time()), body)
            headers = {"Content-Type": "application/json", "User-Agent": "telnyx-webhooks", **signed}
            return Message(body, headers, {"signature": signed["telnyx-signature-ed25519"], "token": event.data["id"]})

        texts = {name: str(value) for name, value in event.payload.items() if isinstance(value, str | int)}
        facts = {**parties, **texts, "kind": event.type, "event_type": event.type, "call_sid": call_sid, "url": url}
        return Webhook(event.type, call_sid, url, "POST", policy, write, facts)


def _final(answer: Answer) -> bool:
    """Whether the customer has answered, with any status."""
    return not DEFAULT.retries(answer.failure, answer.status)
