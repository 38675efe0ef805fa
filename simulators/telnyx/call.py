"""One call at Telnyx: its three ids, its client_state, and the events about it (Telnyx, "Call Control webhooks")."""

import base64
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulators.phone.call import Call as AnyCall
from simulators.telnyx.codecs import negotiated
from simulators.telnyx.exchange import Exchange
from simulators.telnyx.requests import Streaming
from simulators.telnyx.webhooks import Event, Routes

__all__ = ["Call", "Hangup"]


@dataclass(frozen=True)
class Hangup:
    """How Telnyx reports an end: cause, party, and the SIP status as text."""

    cause: str
    source: str
    sip: str


_REJECTIONS = {
    "CALL_REJECTED": Hangup("call_rejected", "callee", "603"),
    "USER_BUSY": Hangup("user_busy", "callee", "486"),
    "NOT_FOUND": Hangup("not_found", "callee", "404"),
    "TEMPORARILY_UNAVAILABLE": Hangup("no_answer", "callee", "480"),
}


def _control_id() -> str:
    return "v3:" + base64.urlsafe_b64encode(secrets.token_bytes(33)).decode()


@dataclass(eq=False, kw_only=True)
class Call(AnyCall):
    """A leg between customer and remote party. `direction`: `incoming` or `outgoing`; `sid`: call_control_id."""

    exchange: Exchange
    routes: Routes
    client_state: str | None = None
    streaming: Streaming | None = None
    """The stream to start at answer."""
    machine_detection: str = ""
    transcription: Mapping[str, Any] | None = None
    send_digits: str = ""
    custom_headers: tuple[Mapping[str, str], ...] = ()
    preferred_codecs: tuple[str, ...] = ()
    relays: list[Any] = field(default_factory=list)
    rejected_as: str = ""
    """The cause given with `reject`."""
    sid: str = field(default_factory=_control_id)
    leg_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def incoming(self) -> bool:
        return self.direction == "incoming"

    @property
    def codec(self) -> str:
        """What the leg is in. The simulator does not transcode: a media stream carries it too."""
        return negotiated(self.preferred_codecs, self.persona.codecs)

    def report_status(self) -> None:
        """Report initiated, answered and hangup; Telnyx does not report ringing."""
        if self.over:
            self.notify("call.hangup", self._hangup_facts())
        elif self.status == "in-progress":
            self.notify("call.answered", {**self.parties, "state": "answered", **self._about()})
        elif self.status == ("ringing" if self.incoming else "initiated"):
            facts = {"direction": self.direction, "state": "parked" if self.incoming else "bridging", **self._about()}
            if self.incoming:
                facts |= {
                    "caller_id_name": self.from_,
                    "connection_codecs": "PCMU",
                    "offered_codecs": ",".join(self.persona.codecs),
                }
            self.notify("call.initiated", {**self.parties, **facts})

    def notify(self, event_type: str, facts: Mapping[str, Any] | None = None) -> None:
        """Send an event with the common fields, without waiting for its response. The task outlives the call."""
        common = {
            "call_control_id": self.sid,
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "connection_id": self.exchange.connection_id,
            "client_state": self.client_state,
        }
        event = Event(event_type, {**common, **(facts or {})})
        self.exchange.tasks.spawn(self.exchange.webhooks.deliver(self.sid, event, self.routes, self.parties))

    @property
    def parties(self) -> dict[str, str]:
        return {"from": self.from_, "to": self.to}

    @property
    def hangup(self) -> Hangup | None:
        """How it ended; None while the call lives."""
        return self._hangup() if self.over else None

    def _hangup(self) -> Hangup:
        us, them = ("callee", "caller") if self.incoming else ("caller", "callee")
        if self.rejected_as:
            return _REJECTIONS[self.rejected_as]
        if self.ended_by == "time-limit":
            return Hangup("time_limit", "unknown", "200")
        if self.status == "completed":
            return Hangup("normal_clearing", them if self.ended_by == "callee" else us, "200")
        return {
            "busy": Hangup("user_busy", "callee", "486"),
            "failed": Hangup("not_found", "unknown", "404"),
            "no-answer": Hangup("timeout", "unknown", "487"),
            "canceled": Hangup("originator_cancel", "caller", "487"),
        }[self.status]

    def _hangup_facts(self) -> dict[str, Any]:
        end = self._hangup()
        quality = {
            "inbound": {
                "jitter_max_variance": "5.10",
                "jitter_packet_count": "0",
                "mos": "4.50",
                "packet_count": str(self.line.ticks if self.line else 0),
                "skip_packet_count": "0",
            },
            "outbound": {"packet_count": str(self.line.ticks if self.line else 0), "skip_packet_count": "0"},
        }
        return {
            **self.parties,
            "state": "hangup",
            "hangup_cause": end.cause,
            "hangup_source": end.source,
            "sip_hangup_cause": end.sip,
            "call_quality_stats": quality,
            **self._about(),
        }

    def _about(self) -> dict[str, Any]:
        return {
            "start_time": _iso(self.started_at or self.created_at),
            "custom_headers": list(self.custom_headers),
            "sip_headers": [],
            "tags": [],
        }

    def resource(self) -> dict[str, Any]:
        """The call as GET /v2/calls/{id} returns it."""
        return {
            "record_type": "call",
            "call_control_id": self.sid,
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "is_alive": not self.over,
            "call_duration": self.duration_s,
            "client_state": self.client_state,
            "start_time": _iso(self.started_at or self.created_at),
            "end_time": None if self.ended_at is None else _iso(self.ended_at),
        }

    def report(self, *, heard: bool = True) -> dict[str, Any]:
        end = self.hangup
        own = {
            "relays": [relay.report() for relay in self.relays],
            "leg_id": self.leg_id,
            "session_id": self.session_id,
            "client_state": self.client_state,
            "codec": self.codec,
            "hangup": None if end is None else {"cause": end.cause, "source": end.source, "sip": end.sip},
        }
        return {**super().report(heard=heard), **own}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
