"""The spans of the ingress, in the trace of their call: each webhook, and each media stream.

Used only when traces are exported. Times are those of this process; the call's own are Redis's.
"""

import time
from typing import Final

from ingress.webhooks import Receiver
from voicecall.call.ids import inbound_call_id
from voicecall.ports import HttpAnswer, Webhook
from voicecall.tracing import Kind, Traces, TraceSpan

__all__ = ["TracedReceiver", "stream_span"]

_UNAVAILABLE: Final = 503  # what the carrier is answered when an error leaves the receiver


class TracedReceiver:
    """A receiver whose work becomes spans. A webhook that names neither its call nor an inbound leg becomes none."""

    def __init__(self, receiver: Receiver, traces: Traces, carrier: str) -> None:
        self._receiver = receiver
        self._traces = traces
        self._carrier = carrier

    async def receive(self, webhook: Webhook, key: str) -> HttpAnswer:
        started = time.time()
        status = _UNAVAILABLE
        try:
            answer = await self._receiver.receive(webhook, key)
            status = answer.status
            return answer
        finally:
            call = webhook.call or (inbound_call_id(self._carrier, webhook.leg) if webhook.inbound else None)
            if call is not None:
                self._traces.record(call, [_webhook_span(webhook, key, started, status)])


def _webhook_span(webhook: Webhook, key: str, started: float, status: int) -> TraceSpan:
    now = time.time()
    return TraceSpan(
        name="webhook",
        key=f"webhook {key} {now}",
        start_ms=round(started * 1000),
        end_ms=round(now * 1000),
        kind=Kind.SERVER,
        failed=status >= 500,
        attributes={
            "http.request.method": "POST",
            "http.response.status_code": status,
            "voicecall.webhook.kind": webhook.kind,
        },
    )


def stream_span(name: str, opened_at: float) -> TraceSpan:
    """A media stream that is over now. `name`: the carrier's, which only the id is made of."""
    return TraceSpan(
        name="media_stream",
        key=f"stream {name}",
        start_ms=round(opened_at * 1000),
        end_ms=round(time.time() * 1000),
        kind=Kind.SERVER,
        attributes={"network.protocol.name": "websocket"},
    )
