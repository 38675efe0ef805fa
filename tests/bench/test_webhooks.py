"""The smallest benchmark, whole: a real door, a real Redis, a load generator of its own."""

from bench import webhooks


async def test_every_webhook_that_was_answered_with_2xx_is_in_the_log() -> None:
    """The benchmark counts the log itself: a rate of webhooks that were not kept would be worth nothing."""
    told: list[str] = []
    result = await webhooks.run(told.append, "", seconds=0.2)
    assert len(told) == 3
    assert not [remark for remark in result.remarks if "NOT DURABLE" in remark]
    for label in ("1 connection", "8 connections", "64 connections"):
        facts = result.facts[label]
        assert set(facts["statuses"]) == {"200"}
        assert facts["logged"] == facts["statuses"]["200"] > 0
