"""`voicecall.steer`: what it takes, whom it reaches, and what it answers."""

import asyncio

import pytest

from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import stack
from voicecall.call.ids import CallId

READER = "a-token-that-only-reads"


async def test_a_hint_is_a_fact_of_the_call_and_not_in_what_was_said(redis_server: RedisServer) -> None:
    async with stack(redis_server.url) as system:
        call = await system.initiate()
        assert (await system.post("voicecall.steer", {"callId": call, "message": "Be brief"}))[1]["payload"] == {
            "success": True
        }
        _, events = await system.post("voicecall.events", {"callId": call})
        asked = [event for event in events["payload"]["events"] if event["type"] == "SpeakAsked"]
        assert [event["guidance"] for event in asked] == ["Be brief"]
        _, found = await system.post("voicecall.status", {"callId": call})
        assert [line["text"] for line in found["payload"]["call"]["transcript"]] == ["Hello"]


async def test_a_question_is_asked_by_the_agent_and_its_answer_returned(redis_server: RedisServer) -> None:
    async with stack(redis_server.url) as system:
        call = CallId(await system.initiate())
        params = {"callId": call, "message": "their name", "mode": "ask"}
        asking = asyncio.create_task(system.post("voicecall.steer", params))
        await system.worker.replies(call, "What is your name, please?")
        await system.worker.hear(call, "Anna")
        assert (await asking)[1]["payload"] == {"success": True, "transcript": "Anna"}


async def test_what_interrupts_is_said_in_place_of_the_rest(redis_server: RedisServer) -> None:
    """What was being said is cut: the call would otherwise never come to it."""
    async with stack(redis_server.url) as system:
        call = await system.initiate()
        system.worker.speech = "endless"
        endless = asyncio.create_task(system.post("voicecall.speak", {"callId": call, "message": "On and on"}))
        while (state := await system.worker.log.read(CallId(call))) is None or not state.is_speaking:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        system.worker.speech = "heard"
        params = {"callId": call, "message": "Stop there", "mode": "say", "interrupt": True}
        status, frame = await system.post("voicecall.steer", params)
        assert (status, frame["payload"]) == (200, {"success": True})
        endless.cancel()
        await asyncio.gather(endless, return_exceptions=True)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"message": "x" * 501}, "message: String should have at most 500 characters"),
        ({"message": " "}, "message required"),
        ({"message": "x", "mode": "shout"}, "mode: Input should be 'guidance', 'say' or 'ask'"),
        ({"message": "x", "interrupt": True}, "interrupt: goes with the mode say only; leave it out"),
    ],
)
async def test_bad_input_is_named(redis_server: RedisServer, more: dict[str, object], problem: str) -> None:
    async with stack(redis_server.url) as system:
        call = await system.initiate()
        status, frame = await system.post("voicecall.steer", {"callId": call, **more})
        assert (status, frame["error"]["message"]) == (400, problem)


async def test_a_notice_has_no_agent_and_a_reader_may_not_act(redis_server: RedisServer) -> None:
    async with stack(redis_server.url, gateway_read_token=READER) as system:
        call = await system.initiate(mode="notify")
        params = {"callId": call, "message": "Be brief"}
        assert (await system.post("voicecall.steer", params))[1]["error"]["code"] == "FAILED"
        assert (await system.post("voicecall.steer", params, token=READER))[0] == 403
