"""Questions of an agent to who placed the call, and what the gateway shows of its tools."""

from typing import Any

import pytest

from tests.gateway.conftest import System
from voicecall.call.ids import CallId


async def status(system: System, call: str) -> dict[str, Any]:
    _, frame = await system.post("voicecall.status", {"callId": call})
    found: dict[str, Any] = frame["payload"]["call"]
    return found


async def asked(system: System, call: str, name: str, arguments: str) -> None:
    await system.worker.hear(CallId(call), "hm")
    while "hm" not in [line["text"] for line in (await status(system, call))["transcript"]]:
        pass
    await system.worker.calls_tool(CallId(call), name, arguments)


async def test_a_question_is_shown_and_answered_once(system: System) -> None:
    call = await system.initiate()
    await asked(system, call, "ask_owner", '{"question": "Eight or nine?"}')
    question = (await status(system, call))["metadata"]["question"]
    assert question["text"] == "Eight or nine?"
    other = {"callId": call, "answer": "Nine.", "questionId": "x" * 43}
    assert (await system.post("voicecall.answer", other))[1]["error"]["code"] == "FAILED"
    assert (await system.post("voicecall.answer", {"callId": call, "answer": "Nine."}))[0] == 200
    facts = (await status(system, call))["metadata"]
    assert "question" not in facts
    (use,) = facts["toolCalls"]
    assert (use["name"], use["outcome"], use["result"]) == ("ask_owner", "done", "Nine.")
    _, refused = await system.post("voicecall.answer", {"callId": call, "answer": "Ten."})
    assert refused["error"]["message"] == "no question waits for this answer"
    await system.post("voicecall.end", {"callId": call})
    _, refused = await system.post("voicecall.answer", {"callId": call, "answer": "Ten."})
    assert refused["error"]["message"] == "Call has ended"


async def test_notes_and_calls_stand_in_the_record_and_in_the_feed(system: System) -> None:
    call = await system.initiate()
    await asked(system, call, "note", '{"name": "people", "value": 2}')
    assert (await status(system, call))["metadata"]["notes"] == {"people": "2"}
    _, page = await system.post("voicecall.events", {"callId": call})
    (done,) = (event for event in page["payload"]["events"] if event["type"] == "AgentDone")
    assert done["calls"] == [{"id": "t1", "name": "note", "arguments": '{"name": "people", "value": 2}'}]


@pytest.mark.parametrize(("tools", "outcome"), [(["note"], "done"), (["ask_owner"], "refused"), ([], "refused")])
async def test_a_call_offers_no_more_tools_than_its_request_names(
    system: System, tools: list[str], outcome: str
) -> None:
    call = await system.initiate(tools=tools)
    await asked(system, call, "note", '{"name": "people", "value": 2}')
    (use,) = (await status(system, call))["metadata"]["toolCalls"]
    assert use["outcome"] == outcome
