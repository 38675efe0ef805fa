"""One call at Plivo: its two ids, its hangup cause, and the fields Plivo sends about it."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulators.phone.call import Call as AnyCall
from simulators.plivo import causes
from simulators.plivo.causes import Cause
from simulators.plivo.document import Destination
from simulators.plivo.exchange import Exchange
from simulators.plivo.webhooks import Fields

__all__ = ["Call", "Callback"]

_STATUSES = {"queued": "queued", "initiated": "queued", "canceled": "cancel"}
_RATE = "0.00650"


@dataclass(frozen=True)
class Callback:
    """A URL of the customer's, and its HTTP method."""

    url: str
    method: str = "POST"


@dataclass(eq=False, kw_only=True)
class Call(AnyCall):
    """A leg between the customer and one remote party. `direction` is `inbound` or `outbound`; `sid` the CallUUID."""

    exchange: Exchange
    destination: Destination
    ring: Callback | None = None
    hangup: Callback | None = None
    send_digits: str = ""
    machine_detection: str = ""
    machine: Callback | None = None
    limits_ringing: bool = False
    """Whether the customer set a ring_timeout."""
    cause: Cause | None = None
    """The cause of the end, if it is more specific than the status."""
    request_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    streaming: asyncio.Task[None] | None = None
    """The stream that runs, or ran last."""
    rang: bool = False
    """Before that, REST knows the call only by its request_uuid."""

    @property
    def inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def plivo_status(self) -> str:
        """The CallStatus: a ring timeout that the customer set is reported as `timeout`."""
        if self.status == "no-answer" and self.limits_ringing:
            return "timeout"
        return _STATUSES.get(self.status, self.status)

    def report_status(self) -> None:
        """Report ringing and the hangup; an answer is reported by the request of the answer URL."""
        if self.status == "ringing":
            self.rang = True
            if self.ring is not None:
                self.notify("ring", self.ring, self.fields("Ring"))
        elif self.over and self.hangup is not None:
            self.notify("hangup", self.hangup, self._hangup_fields())

    def notify(self, kind: str, callback: Callback, fields: Fields) -> None:
        """Send a webhook without waiting for its response. The task outlives the call."""
        self.exchange.tasks.spawn(self.exchange.webhooks.deliver(kind, self.sid, callback.url, fields, callback.method))

    def fields(self, event: str) -> list[tuple[str, str]]:
        """The fields of every request. Numbers have no plus here."""
        known = [
            ("CallUUID", self.sid),
            ("From", self.from_.removeprefix("+")),
            ("To", self.to.removeprefix("+")),
            ("Direction", self.direction),
            ("CallStatus", self.plivo_status),
            ("Event", event),
            ("BillRate", _RATE),
            ("SessionStart", _stamp(self.started_at or self.created_at)),
        ]
        if not self.inbound:
            known += [
                ("RequestUUID", self.request_uuid),
                ("ALegUUID", self.sid),
                ("ALegRequestUUID", self.request_uuid),
            ]
        return known

    def why(self) -> Cause:
        """The cause of its end."""
        if self.cause is not None:
            return self.cause
        if self.ended_by == "time-limit":
            return causes.TIME_LIMIT
        return {
            "busy": causes.BUSY,
            "failed": causes.UNALLOCATED,
            "no-answer": causes.RING_TIMEOUT if self.limits_ringing else causes.NO_ANSWER,
            "canceled": causes.CANCELLED,
        }.get(self.status, causes.NORMAL)

    def _source(self, cause: Cause) -> str:
        """Who hung up, as Plivo names it."""
        if cause.source:
            return cause.source
        if self.ended_by == "callee":
            return "Caller" if self.inbound else "Callee"
        return {"api": "API Request", "xml": "Answer XML", "time-limit": "Plivo"}.get(self.ended_by or "", "Unknown")

    def _hangup_fields(self) -> Fields:
        cause = self.why()
        minutes = -(-self.duration_s // 60)
        return [
            *self.fields("Hangup"),
            ("HangupCause", cause.cause),
            ("HangupCauseCode", str(cause.code)),
            ("HangupCauseName", cause.name),
            ("HangupSource", self._source(cause)),
            ("Duration", str(self.duration_s)),
            ("BillDuration", str(minutes * 60)),
            ("TotalCost", f"{minutes * float(_RATE):.5f}"),
            ("StartTime", _stamp(self.started_at or self.created_at)),
            ("AnswerTime", _stamp(self.answered_at) if self.answered_at else ""),
            ("EndTime", _stamp(self.ended_at or time.time())),
        ]

    def resource(self) -> dict[str, Any]:
        """The call as REST returns it: a live call, or a record (CDR) after its end."""
        numbers = {"from": self.from_.removeprefix("+"), "to": self.to.removeprefix("+")}
        if not self.over:
            return {
                **numbers,
                "call_uuid": self.sid,
                "request_uuid": self.request_uuid,
                "call_status": self.plivo_status,
                "caller_name": "",
                "direction": self.direction,
                "session_start": _stamp(self.started_at or self.created_at),
            }
        cause = self.why()
        return {
            "call_uuid": self.sid,
            "request_uuid": self.request_uuid,
            "from_number": numbers["from"],
            "to_number": numbers["to"],
            "call_direction": self.direction,
            "call_duration": self.duration_s,
            "bill_duration": -(-self.duration_s // 60) * 60,
            "call_state": "ANSWER" if self.answered_at else self.plivo_status.upper(),
            "initiation_time": _stamp(self.created_at),
            "answer_time": _stamp(self.answered_at) if self.answered_at else None,
            "end_time": _stamp(self.ended_at or time.time()),
            "hangup_cause_code": cause.code,
            "hangup_cause_name": cause.name,
            "hangup_source": self._source(cause),
            "total_rate": _RATE,
            "resource_uri": f"/v1/Account/{self.exchange.auth_id}/Call/{self.sid}/",
        }

    def report(self, *, heard: bool = True) -> dict[str, Any]:
        own: dict[str, Any] = {"request_uuid": self.request_uuid, "hangup": None}
        if self.over:
            cause = self.why()
            own["hangup"] = {"code": cause.code, "cause": cause.cause, "source": self._source(cause)}
        return {**super().report(heard=heard), **own}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
