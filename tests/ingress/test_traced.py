"""The spans of the ingress belong to the trace of their call, and say whether the webhook was taken."""

from collections.abc import Iterable

import pytest

from ingress.traced import TracedReceiver
from voicecall.call.ids import CallId, LegId, inbound_call_id
from voicecall.errors import BusUnavailable
from voicecall.ports import HttpAnswer, Webhook
from voicecall.tracing import TraceSpan

pytestmark = pytest.mark.quick

CALL = CallId("11111111-2222-4333-8444-555555555555")
LEG = LegId("CA" + "1" * 32)


class Recorded:
    """Keeps spans in memory."""

    def __init__(self) -> None:
        self.spans: list[tuple[CallId, TraceSpan]] = []

    def record(self, call: CallId, spans: Iterable[TraceSpan]) -> None:
        self.spans += [(call, span) for span in spans]

    def close(self, within_s: float) -> None:
        """Nothing is open."""


class Taking:
    """A receiver that answers 200, or has no Redis."""

    def __init__(self, *, down: bool = False) -> None:
        self.down = down

    async def receive(self, webhook: Webhook, key: str) -> HttpAnswer:
        del webhook, key
        if self.down:
            raise BusUnavailable("down")
        return HttpAnswer(status=200, content_type="text/plain", body=b"")


def webhook(*, call: CallId | None = CALL, inbound: bool = False) -> Webhook:
    return Webhook(
        call=call,
        leg=LEG,
        inbound=inbound,
        from_="+15550002000",
        to="+15550001000",
        events=(),
        wants_reply=False,
        kind="status",
    )


async def test_a_webhook_is_a_span_of_its_call_without_its_numbers() -> None:
    traces = Recorded()
    await TracedReceiver(Taking(), traces, "twilio").receive(webhook(), "secret-key")
    ((call, span),) = traces.spans
    assert (call, span.name, span.failed) == (CALL, "webhook", False)
    assert span.attributes["http.response.status_code"] == 200
    assert not any(word in str(span.attributes) for word in ("1555", "secret"))


async def test_an_inbound_leg_is_traced_under_the_id_that_its_call_will_have() -> None:
    traces = Recorded()
    await TracedReceiver(Taking(), traces, "twilio").receive(webhook(call=None, inbound=True), "key")
    assert [call for call, _ in traces.spans] == [inbound_call_id("twilio", LEG)]


async def test_a_webhook_of_an_unknown_call_has_no_span() -> None:
    traces = Recorded()
    await TracedReceiver(Taking(), traces, "twilio").receive(webhook(call=None), "key")
    assert not traces.spans


async def test_a_webhook_that_could_not_be_recorded_is_marked() -> None:
    """The carrier is answered 503."""
    traces = Recorded()
    with pytest.raises(BusUnavailable):
        await TracedReceiver(Taking(down=True), traces, "twilio").receive(webhook(), "key")
    ((_, span),) = traces.spans
    assert (span.failed, span.attributes["http.response.status_code"]) == (True, 503)
