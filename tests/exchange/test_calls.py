"""The exchange of test phones as a carrier: the worker's own control commands it, its webhooks are verified."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from simulators.stack.process import Process, prints_ready
from simulators.stack.stack import THIS_BUILD
from tests.exchange.conftest import CALL, NUMBER, SECRET, Exchanged, exchanged
from voicecall.call.events import EndReason, LegStatus
from voicecall.call.ids import CallId, EffectId, LegId
from voicecall.errors import CarrierRejected


async def test_an_outbound_call_rings_and_is_answered(exchange: Exchanged) -> None:
    """Ringing, answered, the instruction performed, and the end: each as an event of the leg that the dial returned."""
    exchange.far.instructions["call.answered"] = {
        "do": "converse",
        "text": "Good morning!",
        "heardUrl": f"{exchange.far.url}/heard?turnToken=t1",
        "silentUrl": f"{exchange.far.url}/said",
    }
    tab = await exchange.tab()
    leg = await exchange.dial()
    assert (await tab.frame("ringing"))["leg"] == leg
    await tab.send("answer", leg=leg)
    prompt = await tab.frame("prompt")
    assert prompt["text"] == "Good morning!"
    await tab.send("said", number=prompt["number"])
    assert (await exchange.far.event("call.said"))["path"] == "/said"
    await tab.send("say", text="how are you")
    assert (await exchange.far.event("call.speech"))["transcript"] == "how are you"
    await tab.send("key", digit="7")
    assert (await exchange.far.event("call.dtmf"))["digits"] == "7"
    assert (await exchange.control.look_up(LegId(leg))).status is LegStatus.ALIVE
    await tab.send("hangup")
    ended = await exchange.far.event("call.ended")
    assert (ended["reason"], ended["legId"], ended["callId"]) == ("completed", leg, CALL)
    assert (await exchange.control.look_up(LegId(leg))).reason is EndReason.COMPLETED
    kinds = {event["type"] for event in exchange.far.events}
    assert {"call.ringing", "call.answered"} <= kinds


async def test_a_repeated_dial_is_one_leg_and_is_found_by_the_call(exchange: Exchanged) -> None:
    leg = await exchange.dial()
    assert await exchange.dial() == leg
    found = await exchange.control.find(call=CallId(CALL), to=NUMBER, from_="+15550001000", since=0.0)
    assert (found.status, found.leg) == (LegStatus.ALIVE, leg)
    other = CallId("00000000-0000-4000-8000-000000000000")
    absent = await exchange.control.find(call=other, to=NUMBER, from_="+15550001000", since=0.0)
    assert absent.status is LegStatus.ABSENT


@pytest.mark.parametrize(
    ("button", "reason"), [("decline", "busy"), ("", "no-answer")], ids=["declined", "left ringing"]
)
async def test_a_call_that_is_not_taken_ends_with_the_carrier_s_reason(
    exchange: Exchanged, button: str, reason: str
) -> None:
    tab = await exchange.tab()
    leg = await exchange.dial(ring_timeout_s=0.3 if not button else 30.0)
    await tab.frame("ringing")
    if button:
        await tab.send(button, leg=leg)
    assert (await exchange.far.event("call.ended"))["reason"] == reason
    await tab.frame("over")


async def test_a_phone_that_comes_while_a_call_rings_rings_too(exchange: Exchanged) -> None:
    """`voicecall call` may be quicker than the browser."""
    leg = await exchange.dial()
    tab = await exchange.tab()
    assert (await tab.frame("ringing"))["leg"] == leg


async def test_the_first_of_two_phones_has_the_call(exchange: Exchanged) -> None:
    one, two = await exchange.tab("1" * 32), await exchange.tab("2" * 32)
    leg = await exchange.dial()
    await one.frame("ringing")
    await two.frame("ringing")
    await two.send("answer", leg=leg)
    await two.frame("up")
    assert (await one.frame("over"))["reason"] == "answered on another phone"
    await one.send("answer", leg=leg)
    assert "does not ring any more" in (await one.frame("refused"))["message"]


async def test_the_system_hangs_up_and_a_second_time_is_success(exchange: Exchanged) -> None:
    tab = await exchange.tab()
    leg = await exchange.dial()
    await tab.send("answer", leg=leg)
    await tab.frame("up")
    await exchange.control.hang_up(LegId(leg))
    await exchange.control.hang_up(LegId(leg))
    await exchange.control.hang_up(LegId("leg-unknown"))
    assert (await tab.frame("over"))["reason"] == "hangup-bot"
    ends = [event for event in exchange.far.events if event["type"] == "call.ended"]
    assert len(ends) <= 1


async def test_a_call_ends_at_its_time_limit(exchange: Exchanged) -> None:
    tab = await exchange.tab()
    leg = await exchange.dial(time_limit_s=1)
    await tab.send("answer", leg=leg)
    assert (await exchange.far.event("call.ended"))["reason"] == "timeout"


async def test_an_inbound_call_that_is_refused_is_never_answered(exchange: Exchanged) -> None:
    exchange.far.instructions["call.initiated"] = {"do": "reject", "reason": "busy"}
    tab = await exchange.tab()
    await tab.send("call")
    assert (await tab.frame("over"))["reason"] == "busy"
    assert (await exchange.far.event("call.initiated"))["from"] == NUMBER
    assert "call.answered" not in {event["type"] for event in exchange.far.events}


@pytest.mark.parametrize("reply", [{"do": "dance"}, {}, {"do": "connect"}, {"do": "wait", "seconds": "x"}])
async def test_a_reply_that_is_no_instruction_ends_the_call(exchange: Exchanged, reply: dict[str, object]) -> None:
    exchange.far.instructions["call.initiated"] = reply
    tab = await exchange.tab()
    await tab.send("call")
    assert (await tab.frame("over"))["reason"] == "failed"


async def test_a_webhook_is_tried_again_after_a_failure(exchange: Exchanged) -> None:
    exchange.far.refuse = 2
    exchange.far.instructions["call.initiated"] = {"do": "reject", "reason": "rejected"}
    tab = await exchange.tab()
    await tab.send("call")
    await exchange.far.event("call.initiated")
    assert exchange.far.refuse == 0


async def test_commands_need_the_secret_and_sense(exchange: Exchanged) -> None:
    """401 without it, 4xx that name the field with it: the worker reads both as a refusal."""
    async with exchange.http.post(f"{exchange.url}/calls", json={}) as reply:
        assert reply.status == 401
    async with exchange.http.get(f"{exchange.url}/tabs") as reply:
        assert reply.status == 401
    headers = {"Authorization": f"Bearer {SECRET}"}
    for body, status in ((b"[", 400), (b"{}", 422), (b'{"to":"x","from":"y"}', 422)):
        async with exchange.http.post(f"{exchange.url}/calls", data=body, headers=headers) as reply:
            assert (reply.status, "message" in await reply.json()) == (status, True)
    leg = await exchange.dial()
    with pytest.raises(CarrierRejected):
        await exchange.control.send_digits(LegId(leg), "1", call=CallId(CALL), effect=EffectId("e2"))


async def test_other_numbers_belong_to_the_carrier_behind_it(tmp_path: Path) -> None:
    """Their dials, look-ups and hang-ups are passed on."""
    command = [sys.executable, "-m", "simulators.mock", "--secret", SECRET]
    environ = {**os.environ, "PYTHONPATH": str(THIS_BUILD)}
    behind = Process("mock", command, env=environ, log=tmp_path / "mock.log", cwd=THIS_BUILD)
    await behind.start(prints_ready)
    try:
        async with exchanged(upstream=behind.url) as exchange:
            leg = await exchange.dial(to="+15550009999")
            assert (await exchange.control.look_up(LegId(leg))).status is LegStatus.ALIVE
            own = await exchange.dial(effect="e2")
            assert (await exchange.control.look_up(LegId(own))).status is LegStatus.ALIVE
            await exchange.control.hang_up(LegId(leg))
            assert (await exchange.control.look_up(LegId(leg))).status is LegStatus.ENDED
            assert (await exchange.control.look_up(LegId("leg-unknown"))).status is LegStatus.ABSENT
    finally:
        await behind.stop()


@pytest.mark.parametrize(
    "frame",
    [
        {"event": "dance"},
        {"event": "kill", "role": "redis"},
        {"event": "kill", "role": "worker"},
        {"event": "call", "to": "+15559999999"},
        {"event": "answer", "leg": "leg-unknown"},
        {"event": "say", "text": "hello"},
    ],
    ids=str,
)
async def test_what_a_tab_may_not_do_is_refused_with_a_sentence(exchange: Exchanged, frame: dict[str, str]) -> None:
    tab = await exchange.tab()
    await tab.ws.send_json(frame)
    assert (await tab.frame("refused"))["message"]


@pytest.mark.parametrize("first", ['{"event":"call"}', "[]", "x", '{"event":"connect","device":"short"}'])
async def test_a_socket_that_does_not_connect_first_is_closed(exchange: Exchanged, first: str) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with exchange.http.ws_connect(f"{exchange.url}/tabs", headers=headers) as ws:
        await ws.send_str(first)
        async with asyncio.timeout(10):
            await ws.receive()
        assert ws.close_code == 1008


async def test_phones_are_limited_in_number(exchange: Exchanged) -> None:
    """The next one is asked to try again later; one that leaves makes room."""
    tabs = [await exchange.tab(f"{number:032x}") for number in range(32)]
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with exchange.http.ws_connect(f"{exchange.url}/tabs", headers=headers) as ws:
        await ws.send_str(json.dumps({"event": "connect", "device": "f" * 32}))
        await ws.receive()
        assert ws.close_code == 1013
    await tabs[0].ws.close()
    async with asyncio.timeout(10):
        while True:
            ws = await exchange.http.ws_connect(f"{exchange.url}/tabs", headers=headers)
            await ws.send_str(json.dumps({"event": "connect", "device": "f" * 32}))
            if "welcome" in str((await ws.receive()).data):
                break
            await ws.close()
