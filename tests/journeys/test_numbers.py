"""Two numbers, one stack: the called number decides about greeting, voice and agent."""

import asyncio
from typing import Any

import pytest

from tests.journeys.stage import FRIEND, OURS_TOO, Stage, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def lines_of(stage: Stage, kind: str) -> list[Any]:
    lines: list[Any] = (await stage.stack.openai.get("/_sim/ledger", kind=kind))["lines"]
    return lines


async def test_each_number_has_its_greeting_its_voice_and_its_agent(stage: Stage) -> None:
    """Two callers at once: nothing of one number is heard on the other, and the records say which was dialled."""
    await stage.model(weather="It is raining.", puncture="Bring it in.")
    usual, workshop = await asyncio.gather(
        stage.ring_us({"wait_heard": "help you"}, {"say": "the weather"}, {"wait_heard": "raining"}, {"hangup": True}),
        stage.ring_us(
            {"wait_heard": "workshop"}, {"say": "a puncture"}, {"wait_heard": "Bring"}, {"hangup": True}, to=OURS_TOO
        ),
    )
    one, other = await stage.over(usual), await stage.over(workshop)
    assert texts(await stage.leg(usual)) == ["Hello! How can I help you today?", "It is raining."]
    assert texts(await stage.leg(workshop)) == ["Bicycle workshop, hello.", "Bring it in."]
    assert (other["metadata"]["numberRouteKey"], other["agentId"]) == (OURS_TOO, "workshop")
    assert other["sessionKey"] == f"agent:workshop:voice:{FRIEND[1:]}"
    assert ("numberRouteKey" in one["metadata"], one["agentId"]) == (False, "main")
    voices = {line["body"]["input"]: line["body"]["voice"] for line in await lines_of(stage, "speech")}
    assert (voices["It is raining."], voices["Bring it in."]) == ("alloy", "sage")
    asked = {line["reply"]: line["body"] for line in await lines_of(stage, "chat") if line.get("reply")}
    assert asked["Bring it in."]["model"] == "workshop-model"
    assert asked["Bring it in."]["messages"][0]["content"].startswith("You mend bicycles.")
    assert asked["It is raining."]["model"] == "gpt-4o-mini"


async def test_an_outbound_call_follows_no_number_s_route(stage: Stage) -> None:
    """Routes apply to inbound calls; a session key that the API client names belongs to the agent."""
    to = await stage.person({"wait_heard": "Good morning"}, {"hangup": True})
    record = await stage.over(await stage.dial(to, sessionKey="Order-7"))
    assert (record["sessionKey"], record["agentId"]) == ("agent:main:order-7", "main")
    assert "numberRouteKey" not in record["metadata"]
