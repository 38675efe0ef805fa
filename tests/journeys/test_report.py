"""What the agent notes on a call stands in the report that its caller asks for."""

import pytest

from tests.journeys.stage import GREETING, Stage, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_what_the_agent_notes_is_in_the_report(stage: Stage) -> None:
    """The model calls `note`, answers with its result, and the report of the call has the fact."""
    note = {"name": "note", "arguments": {"name": "guests", "value": "four"}}
    await stage.model(we_are_four_guests={"tool_call": note}, guests="Four guests are noted.")
    to = await stage.person(
        {"wait_heard": GREETING}, {"say": "we are four guests"}, {"wait_heard": "are noted"}, {"hangup": True}
    )
    record = await stage.over(await stage.dial(to))
    assert texts(await stage.leg(record)) == [GREETING, "Four guests are noted."]
    assert record["metadata"]["notes"] == {"guests": "four"}
    answer = await stage.stack.gateway.rpc("voicecall.report", callId=record["callId"], waitMs=20_000)
    assert answer["report"]["facts"] == [{"name": "guests", "value": "four"}]
    assert (answer["report"]["reachedBy"], answer["report"]["callId"]) == ("person", record["callId"])
