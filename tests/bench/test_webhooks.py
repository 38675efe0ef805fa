"""The smallest benchmark, end to end: a real ingress of each carrier, a real Redis, a load generator of its own."""

import pytest

from bench import webhooks

LOADS = {
    "twilio": ("1 connection", "8 connections", "64 connections"),
    "telnyx": ("8 connections", "64 connections"),
    "plivo": ("8 connections", "64 connections"),
}


@pytest.mark.parametrize("carrier", LOADS)
async def test_every_webhook_that_was_answered_with_2xx_is_in_the_log(carrier: str) -> None:
    """The benchmark counts the log itself: webhooks that were answered but not stored would make its rate meaningless.

    A replay is answered with 200 and not stored either, so equal counts also show that no two requests were the same.
    """
    reported: list[str] = []
    result = await webhooks.run(reported.append, carrier, seconds=0.2)
    assert len(reported) == len(LOADS[carrier])
    assert not [remark for remark in result.remarks if "NOT DURABLE" in remark]
    for load in LOADS[carrier]:
        facts = result.facts[f"{carrier}, {load}"]
        assert set(facts["statuses"]) == {"200"}
        assert facts["logged"] == facts["statuses"]["200"] > 0


async def test_an_unknown_carrier_is_refused() -> None:
    """A misspelt name must not measure all carriers, or none."""
    with pytest.raises(ValueError, match="not telnix"):
        await webhooks.run(print, "telnix")
