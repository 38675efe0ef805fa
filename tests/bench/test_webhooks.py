"""The smallest benchmark, whole: a real door of each carrier, a real Redis, a load generator of its own."""

import pytest

from bench import webhooks

LOADS = {
    "twilio": ("1 connection", "8 connections", "64 connections"),
    "telnyx": ("8 connections", "64 connections"),
    "plivo": ("8 connections", "64 connections"),
}


@pytest.mark.parametrize("carrier", LOADS)
async def test_every_webhook_that_was_answered_with_2xx_is_in_the_log(carrier: str) -> None:
    """The benchmark counts the log itself: a rate of webhooks that were not kept would be worth nothing.

    A replay is answered with 200 and not kept either: equal counts also say that no two requests were the same.
    """
    reported: list[str] = []
    result = await webhooks.run(reported.append, carrier, seconds=0.2)
    assert len(reported) == len(LOADS[carrier])
    assert not [remark for remark in result.remarks if "NOT DURABLE" in remark]
    for load in LOADS[carrier]:
        facts = result.facts[f"{carrier}, {load}"]
        assert set(facts["statuses"]) == {"200"}
        assert facts["logged"] == facts["statuses"]["200"] > 0


async def test_a_carrier_nobody_knows_is_refused() -> None:
    """A misspelt name must not measure all carriers, or none, and look well."""
    with pytest.raises(ValueError, match="not telnix"):
        await webhooks.run(print, "telnix")
