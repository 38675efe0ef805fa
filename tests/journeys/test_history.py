"""An ended call is in the archive, with transcript, duration and cost, and is forgotten on request."""

import asyncio
from typing import Any

import pytest

from tests.journeys.stage import GREETING, Stage, lines

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def archived(stage: Stage, number: str) -> Any:
    """The one call of this number, as soon as a worker has archived it; the test's timeout is the limit."""
    asked = {"number": number, "transcripts": True}
    while not (page := await stage.stack.gateway.rpc("voicecall.history", **asked))["calls"]:  # noqa: ASYNC110  another process is awaited
        await asyncio.sleep(0.05)
    (record,) = page["calls"]
    return record


async def test_a_conversation_is_kept_and_then_forgotten(stage: Stage) -> None:
    """From the carrier's last webhook to the database, through real processes; the bill is the carrier's own."""
    await stage.model(weather="It is raining.")
    to = await stage.person(
        {"wait_heard": GREETING}, {"say": "how is the weather"}, {"wait_heard": "raining"}, {"hangup": True}
    )
    record = await stage.over(await stage.dial(to))

    kept = await archived(stage, to)

    assert lines(kept) == [("bot", GREETING), ("user", "how is the weather"), ("bot", "It is raining.")]
    (turn,) = kept["metadata"].pop("turns")
    (spans,) = kept["metadata"].pop("turnSpans")
    assert spans.pop("at") >= turn["at"]
    assert sum(spans.pop("owners").values()) == sum(spans["spans"].values())
    assert spans == {"turn": 1, "spans": kept["metadata"]["lastTurnSpans"]}
    assert turn["latencyMs"] == record["metadata"]["lastTurnLatencyMs"]
    assert kept["metadata"].pop("billedSeconds") == 60
    assert kept == record
    assert (await stage.stack.gateway.rpc("voicecall.forget", number=to)) == {"forgotten": 1, "atEnd": 0}
    assert await stage.stack.gateway.rpc("voicecall.status", callId=record["callId"]) == {"found": False}
