"""One call at the mock carrier: the customer's id that it keeps, and the events about it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from simulators.mock.exchange import Exchange
from simulators.phone.call import Call as AnyCall
from simulators.phone.webhook_sender import Answer

__all__ = ["Call"]


@dataclass(eq=False, kw_only=True)
class Call(AnyCall):
    """A leg between the customer and one remote party. `direction` is `inbound` or `outbound`; `sid` the leg's name."""

    exchange: Exchange
    webhook_url: str
    customer_id: str = ""
    """The customer's own id of the call, given when dialling or with a reply."""
    effect: str = ""
    """The customer's name for the order to dial, which makes it idempotent."""
    detects: bool = False
    """Whether the customer asked for answering machine detection."""
    sid: str = field(default_factory=lambda: f"leg-{uuid4()}")

    @property
    def inbound(self) -> bool:
        return self.direction == "inbound"

    def report_status(self) -> None:
        """Send ringing and the end. An arrival and an outbound answer are sent where the reply is performed."""
        if self.over:
            self.notify("call.ended", reason=self.reason)
        elif self.status == "ringing" and not self.inbound:
            self.notify("call.ringing")
        elif self.status == "in-progress" and self.inbound:
            self.notify("call.answered")

    @property
    def reason(self) -> str:
        """The carrier's reason of the end; "" while the call lives."""
        if not self.over:
            return ""
        if self.status == "completed" and self.ended_by != "error":
            by = {"callee": "completed", "time-limit": "timeout"}
            return by.get(self.ended_by or "", "hangup-bot")
        return {"busy": "busy", "no-answer": "no-answer", "canceled": self._canceled()}.get(self.status, "failed")

    def _canceled(self) -> str:
        return "hangup-user" if self.ended_by == "callee" else "hangup-bot"

    def notify(self, kind: str, url: str = "", **facts: Any) -> None:
        """Send an event without waiting for the reply. The task outlives the call."""
        self.exchange.tasks.spawn(self.ask(kind, url, **facts))

    async def ask(self, kind: str, url: str = "", **facts: Any) -> Answer:
        """Send an event and wait for the reply. `url`: where to send it, if not to the call's webhook URL."""
        about = {"type": kind, "legId": self.sid, "direction": self.direction, "from": self.from_, "to": self.to}
        if self.customer_id:
            about["callId"] = self.customer_id
        return await self.exchange.webhooks.deliver(self.sid, url or self.webhook_url, {**about, **facts})

    def resource(self) -> dict[str, Any]:
        """The leg as REST returns it."""
        if self.over:
            return {"leg": self.sid, "status": "ended", "reason": self.reason}
        return {"leg": self.sid, "status": "alive"}
