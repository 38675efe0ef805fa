"""One call at Twilio: where its instructions come from, its status callback, and the fields Twilio sends about it."""

import math
import secrets
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from simulators.phone.call import Call as AnyCall
from simulators.twilio.exchange import Exchange
from simulators.twilio.twiml import Destination
from simulators.twilio.webhooks import Fields

__all__ = ["Call", "StatusCallback", "new_sid"]

_SIP_CODES = {"completed": "200", "busy": "486", "no-answer": "480", "canceled": "487", "failed": "503"}


def new_sid(prefix: str) -> str:
    """A fresh Twilio identifier: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True)
class StatusCallback:
    """A status callback: where, and for which of `initiated ringing answered completed`."""

    url: str
    events: frozenset[str] = frozenset({"completed"})
    method: str = "POST"


@dataclass(eq=False, kw_only=True)
class Call(AnyCall):
    """A leg between the customer and one remote party. `direction` is `inbound` or `outbound-api`."""

    exchange: Exchange
    destination: Destination
    callback: StatusCallback | None = None
    send_digits: str = ""
    machine_detection: str = ""
    amd_callback: str = ""
    sid: str = field(default_factory=lambda: new_sid("CA"))
    relays: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sequence = 0

    def report(self, *, heard: bool = True) -> dict[str, Any]:
        return {**super().report(heard=heard), "relays": [relay.report() for relay in self.relays]}

    def report_status(self) -> None:
        """Post the status callback, if this event was ordered."""
        event = "answered" if self.status == "in-progress" else "completed" if self.over else self.status
        if self.callback is not None and event in self.callback.events:
            # The fields are fixed now, because the call may have moved on when the request is sent.
            self.notify("status", self.callback.url, self._progress(), self.callback.method)

    def notify(self, kind: str, url: str, fields: Fields, method: str = "POST") -> None:
        """Send a webhook without waiting for its response. The task outlives the call."""
        self.exchange.tasks.spawn(self.exchange.webhooks.deliver(kind, self.sid, url, fields, method))

    def fields(self) -> list[tuple[str, str]]:
        """The fields of every voice request."""
        known = [
            ("CallSid", self.sid),
            ("AccountSid", self.exchange.account_sid),
            ("From", self.from_),
            ("To", self.to),
            ("CallStatus", self.status),
            ("ApiVersion", "2010-04-01"),
            ("Direction", self.direction),
            ("Caller", self.from_),
            ("Called", self.to),
        ]
        if self.answered_by is not None and not self.amd_callback:
            known.append(("AnsweredBy", self.answered_by))
        return known

    def _progress(self) -> Fields:
        fields = self.fields()
        fields += [
            ("Timestamp", formatdate(time.time(), usegmt=False)),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", str(self._sequence)),
        ]
        self._sequence += 1
        if self.over:
            fields += [
                ("CallDuration", str(self.duration_s)),
                ("Duration", str(math.ceil(self.duration_s / 60))),
                ("SipResponseCode", _SIP_CODES[self.status]),
            ]
        return fields
