"""The requests of an operator, and the refusals of the gateway."""

import asyncio
import uuid
from typing import Any

import aiohttp
import pytest

from simulators.stack.clients import RpcError
from tests.journeys.stage import GREETING, Stage, lines
from voicecall.client import AsyncVoicecall, Brief

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize("to", ["5550001", "+0155512345", "tel:+15551234567", "+15551234567,,1#"])
async def test_what_is_no_number_is_not_dialled(stage: Stage, to: str) -> None:
    before = len((await stage.ledger())["calls"])
    with pytest.raises(RpcError, match=r"not an E\.164 number") as refused:
        await stage.dial(to)
    assert refused.value.code == "INVALID_REQUEST"
    assert len((await stage.ledger())["calls"]) == before


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "demo-gateway-token"}])
async def test_a_request_without_the_token_is_refused(stage: Stage, headers: dict[str, str]) -> None:
    frame = {"type": "req", "id": "1", "method": "voicecall.status", "params": {}}
    async with (
        aiohttp.ClientSession(headers=headers) as stranger,
        stranger.post(f"{stage.stack.gateway.url}/rpc", json=frame) as response,
    ):
        answer = await response.json()
    assert (response.status, answer["ok"]) == (401, False)
    assert "payload" not in answer


async def test_an_unknown_call_is_said_to_be_unknown(stage: Stage) -> None:
    unknown, rpc = str(uuid.uuid4()), stage.stack.gateway.rpc
    assert await rpc("voicecall.status", callId=unknown) == {"found": False}
    for method, params in (("speak", {"message": "Hello?"}), ("continue", {"message": "Hello?"}), ("end", {})):
        with pytest.raises(RpcError) as refused:
            await rpc(f"voicecall.{method}", callId=unknown, **params)
        assert refused.value.code == "NOT_FOUND"


async def test_a_call_is_found_by_the_carriers_name_for_it(stage: Stage) -> None:
    to = await stage.person({"wait_heard": GREETING}, {"hangup": True})
    record = await stage.over(await stage.dial(to))
    by_sid = await stage.stack.gateway.rpc("voicecall.status", sid=record["providerCallId"])
    assert by_sid == {"found": True, "call": record}


async def test_the_feed_sends_a_call_from_its_beginning(stage: Stage) -> None:
    """With `since` the past comes first and the present follows, each event once and in order."""
    # The closed socket makes the system query the leg; its webhook is to be the first to report the end.
    await stage.carrier_fails(where="rest", do="slow", ms=2000, match={"op": "fetch"})
    to = await stage.person({"wait_heard": GREETING}, {"hangup": True})
    past = await stage.dial(to)
    await stage.over(past)
    following = asyncio.create_task(_events_of(stage, past, since="0-0"))
    events = await asyncio.wait_for(following, 10)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "Placed"
    assert [kind for kind in kinds if kind in {"Dialled", "StreamOpened", "PlaybackDone", "HungUp"}] == [
        "Dialled",
        "StreamOpened",
        "PlaybackDone",
        "HungUp",
    ]


async def test_the_feed_sends_a_live_call_as_it_happens(stage: Stage) -> None:
    await stage.model(weather="It is raining.")
    to = await stage.person(
        {"answer_after_ms": 500},
        {"wait_heard": GREETING},
        {"say": "the weather"},
        {"wait_heard": "raining"},
        {"hangup": True},
    )
    call = await stage.dial(to)
    events = await asyncio.wait_for(_events_of(stage, call, since="0-0"), 20)
    words = [event["text"] for event in events if event["type"] in {"Heard", "AgentSaid"}]
    assert words == ["the weather", "It is raining."]
    assert lines(await stage.over(call))[1:] == [("user", "the weather"), ("bot", "It is raining.")]


async def test_a_call_with_a_purpose_is_placed_by_the_client(stage: Stage) -> None:
    """Keys first, then the greeting, each once; and the model's request states the purpose of the call."""
    await stage.model(**{"who is this": "It is about Thursday."})
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "who is this"},
        {"wait_heard": "Thursday"},
        {"hangup": True},
    )
    brief = Brief(task="Move Thursday's table to eight.", disclosures=("A machine calls.",), max_duration_seconds=60)
    async with AsyncVoicecall(stage.stack.gateway.url, token=stage.stack.gateway.token) as gateway:
        call = await gateway.initiate(GREETING, to, mode="conversation", dtmf_sequence="7w1#", brief=brief)
        async for item in gateway.feed(since="0-0", call_id=call):
            if item.state in {"hangup-user", "completed"}:
                break
        record = await gateway.status(call)
    assert record is not None
    leg = await stage.leg(record.model_dump(by_alias=True))
    assert [utterance["text"] for utterance in leg["heard"]] == [GREETING, "It is about Thursday."]
    ledger = await stage.stack.twilio.get("/_sim/ledger", heard=0, lines=1)
    pressed = [line for line in ledger["lines"] if line["kind"] == "digits" and line.get("call_sid") == leg["sid"]]
    assert [line["digits"] for line in pressed] == ["7w1#"]
    asked = [line for line in (await stage.stack.openai.get("/_sim/ledger"))["lines"] if line["kind"] == "chat"]
    instructions = asked[-1]["body"]["messages"][0]["content"]
    assert "Move Thursday's table to eight." in instructions
    assert "- A machine calls." in instructions


async def _events_of(stage: Stage, call: str, **params: Any) -> list[Any]:
    """The events of a call as the feed sends them, to its end."""
    events: list[Any] = []
    async for item in stage.stack.gateway.feed(callId=call, **params):
        events += item["events"]
        if item["state"] in {"completed", "hangup-bot", "hangup-user", "error", "failed", "timeout"}:
            break
    return events
