"""What a call cost, from each carrier's own words: exactly, or not at all."""

from urllib.parse import urlencode

import pytest

from tests.carriers import plivo_requests, twilio_requests
from voicecall.call.events import Billed, EndReason, HungUp
from voicecall.call.ids import LegId
from voicecall.carriers.common.billing import billed
from voicecall.carriers.telnyx.webhooks import read_webhook as read_telnyx

LEG = LegId("v3:leg-1")


@pytest.mark.parametrize(
    ("count", "price", "currency", "expected"),
    [
        ("61", "0.00850", "USD", Billed(leg=LEG, seconds=61, price="0.00850", currency="USD")),
        (60, "-0.0085", "EUR", Billed(leg=LEG, seconds=60, price="0.0085", currency="EUR")),
        ("60", None, "USD", Billed(leg=LEG, seconds=60)),
        (None, "1", "dollars", Billed(leg=LEG, price="1")),
        ("0", "0.00", "USD", Billed(leg=LEG, seconds=0, price="0.00", currency="USD")),
    ],
)
def test_a_bill_is_read_to_the_digit(count: object, price: object, currency: object, expected: Billed) -> None:
    """Prices stay decimal text; a debit is a price."""
    assert billed(LEG, count, price=price, currency=currency) == (expected,)


@pytest.mark.parametrize(
    "malformed", [None, "", "abc", "1e9", "1,5", "NaN", "\u0661", "9" * 10, [1], {"a": 1}, True, "1\n"]
)
def test_what_is_not_a_number_is_not_billed(malformed: object) -> None:
    """And the webhook is not refused for it."""
    assert billed(LEG, malformed, price=malformed) == ()


def test_telnyx_reports_the_cost_after_the_end() -> None:
    """`call.cost`, where it is switched on."""
    payload = {
        "call_control_id": LEG,
        "total_cost": "0.007",
        "billed_duration_secs": 60,
        "cost_parts": [{"call_part": "sip-trunking", "currency": "USD", "cost": "0.007"}],
    }
    webhook = read_telnyx({"data": {"event_type": "call.cost", "id": "e1", "payload": payload}})
    assert webhook.events == (Billed(leg=LEG, seconds=60, price="0.007", currency="USD"),)
    assert webhook.kind == "cost"
    assert read_telnyx({"data": {"event_type": "call.cost", "payload": {**payload, "cost_parts": "x"}}}).events


def test_twilio_reports_the_minutes_with_the_end() -> None:
    """Begun minutes; the bill comes first, for nothing is decided of a call that is over."""
    webhook = twilio_requests.voice(CallStatus="completed", Duration="2", CallDuration="61")
    leg = LegId(twilio_requests.LEG)
    events = twilio_requests.codec().parse(twilio_requests.signed(webhook)).events
    assert events == (Billed(leg=leg, seconds=120), HungUp(leg=leg, reason=EndReason.COMPLETED))


def test_plivo_reports_seconds_and_price_with_the_end() -> None:
    webhook = plivo_requests.voice(
        Event="Hangup", CallStatus="completed", HangupCauseCode="4000", BillDuration="60", TotalCost="0.00850"
    )
    events = plivo_requests.codec().parse(plivo_requests.raw(urlencode(webhook).encode())).events
    assert events[0] == Billed(leg=LegId(plivo_requests.LEG), seconds=60, price="0.00850", currency="USD")
    assert isinstance(events[1], HungUp)
