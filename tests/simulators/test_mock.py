"""The mock carrier's simulator against docs/adding-a-carrier.md: REST, events, instructions, the media socket."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from simulators.mock.instruction import BadInstruction, Instruction, read_instruction
from simulators.tones import decode_all, encode_mulaw
from tests.simulators.carrier_process import running_carrier
from tests.simulators.mock_customer import (
    CALL,
    CONVERSE,
    HOOK,
    ME,
    OPTIONS,
    YOU,
    MockCustomer,
    MockSimulator,
    Phone,
    genuine,
    world_of,
)
from tests.simulators.twilio_customer import PUBLIC, Received

World = tuple[MockCustomer, MockSimulator]
CONNECT = {
    "do": "connect",
    "streamUrl": "wss://voice.example.com/media",
    "callId": CALL,
    "token": "tok",
    "resumeUrl": f"{PUBLIC}/resume",
}


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    with running_carrier("simulators.mock", *OPTIONS) as printed:
        yield printed


@pytest.fixture
async def world(ready: dict[str, Any]) -> AsyncIterator[World]:
    async with world_of(ready) as world:
        await world[1].persona({"answer_after_ms": 10}, number=YOU)
        yield world


def answer_with(
    customer: MockCustomer, simulator: MockSimulator, *, audio: bytes = b"", until: str = ""
) -> list[Phone]:
    """Let the customer's socket say this, then a mark, and hang up when `until` came; the sockets that came."""
    phones: list[Phone] = []

    async def on_socket(socket: web.WebSocketResponse, _: web.Request) -> None:
        phone = Phone(socket, _)
        phones.append(phone)
        start = await phone.until("start")
        if audio:
            await phone.say(audio)
            await phone.mark("m1")
        if until:
            await phone.until(until)
            await simulator.api("POST", f"calls/{start['leg']}/hangup", {})
        await phone.drain()

    customer.on_socket = on_socket
    return phones


# --- a call's life


async def test_an_outbound_call_is_reported_in_signed_events(world: World) -> None:
    """Ringing, answered, ended: both ids, both numbers, a name of its own each."""
    customer, simulator = world
    customer.answer("call.answered", {"do": "hangup"})
    leg = await simulator.call(webhookUrl=f"{HOOK}?callId=1")
    report = await simulator.ended(leg)
    await customer.event(leg, "call.ended")
    assert sorted(customer.kinds(leg)) == ["call.answered", "call.ended", "call.ringing"]
    about = {"legId": leg, "callId": CALL, "direction": "outbound", "from": ME, "to": YOU, "path": "/hook"}
    assert all(about.items() <= event.items() for event in customer.events(leg))
    assert all(genuine(request, f"{HOOK}?callId=1") for request in customer.requests_about(leg))
    assert not any(genuine(request, HOOK) for request in customer.requests_about(leg))
    assert len(set(customer.names(leg))) == 3
    assert (await customer.event(leg, "call.ended"))["reason"] == "hangup-bot"
    assert (report["status"], report["ended_by"]) == ("completed", "reply")


@pytest.mark.parametrize(
    ("persona", "reason"),
    [({"busy": True}, "busy"), ({"failed": True}, "failed"), ({"no_answer": True}, "no-answer")],
)
async def test_an_unanswered_call_ends_with_its_reason(world: World, persona: dict[str, Any], reason: str) -> None:
    """Nothing is asked, nothing is billed, and REST says the same."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, persona, number=YOU)
    leg = await simulator.call(ringTimeoutS=0.2)
    assert (await customer.event(leg, "call.ended"))["reason"] == reason
    assert "call.answered" not in customer.kinds(leg)
    assert (await simulator.sim("GET", f"calls/{leg}"))["billed_seconds"] == 0
    assert await simulator.api("GET", f"calls/{leg}") == (200, {"leg": leg, "status": "ended", "reason": reason})


async def test_a_call_ends_at_its_time_limit(world: World) -> None:
    """Counted from the answer; not our doing, nor theirs."""
    customer, simulator = world
    customer.answer("call.answered", CONVERSE)
    leg = await simulator.call(timeLimitS=0.2)
    assert (await customer.event(leg, "call.ended"))["reason"] == "timeout"


async def test_a_caller_is_asked_about_while_it_rings(world: World) -> None:
    """The reply answers the call, which is then reported; the customer's id is not known yet, so it is left out."""
    customer, simulator = world
    customer.answer("call.initiated", {**CONVERSE, "text": "Welcome"})
    leg = await simulator.inbound({"wait_heard": "Welcome"}, {"say": "thanks"}, {"hangup": True})
    report = await simulator.ended(leg)
    said, speech = await customer.event(leg, "call.said"), await customer.event(leg, "call.speech")
    assert (await customer.event(leg, "call.ended"))["reason"] == "completed"
    assert customer.kinds(leg)[:2] == ["call.initiated", "call.answered"]
    assert (said["path"], "utterance" in said) == ("/silent", False)
    assert (speech["path"], speech["transcript"], "turnToken" in speech) == ("/heard", "thanks", False)
    assert [heard["text"] for heard in report["heard"]] == ["Welcome"]
    assert not any("callId" in event for event in customer.events(leg))


@pytest.mark.parametrize(("reason", "status"), [("busy", "busy"), ("rejected", "failed")])
async def test_a_caller_can_be_refused_unanswered(world: World, reason: str, status: str) -> None:
    """Never billed."""
    customer, simulator = world
    customer.answer("call.initiated", {"do": "reject", "reason": reason})
    report = await simulator.ended(await simulator.inbound())
    assert (report["status"], report["answered_at"], report["billed_seconds"]) == (status, None, 0)


# --- what the customer answers


@pytest.mark.parametrize("page", [web.Response, lambda: web.json_response({"do": "dance"})])
async def test_a_customer_who_cannot_be_understood_loses_the_call(world: World, page: Any) -> None:
    """The ledger says why."""
    customer, simulator = world
    customer.pages["/hook"] = lambda _: page()
    leg = await simulator.inbound()
    assert (await simulator.ended(leg))["status"] == "failed"
    assert await simulator.errors(leg) == [2]


async def test_what_fails_is_tried_again_under_the_same_name(world: World) -> None:
    """5xx: each attempt is signed anew; the last failure ends the call."""
    customer, simulator = world
    customer.answer("call.initiated", {"do": "hangup"})
    answer = customer.pages["/hook"]

    def page(received: Received) -> Any:
        asks = json.loads(received.body)["event"]["type"] == "call.initiated"
        first_two = asks and len([one for one in customer.requests if one.body == received.body]) < 3
        return web.Response(status=500) if first_two else answer(received)

    customer.pages["/hook"] = page
    leg = await simulator.inbound()
    assert (await simulator.ended(leg))["ended_by"] == "reply"
    assert customer.kinds(leg)[:3] == ["call.initiated"] * 3
    assert len(set(customer.names(leg)[:3])) == 1
    assert all(genuine(request, HOOK) for request in customer.requests_about(leg))


_GOOD: tuple[dict[str, Any], ...] = (CONNECT, CONVERSE, {"do": "reject", "reason": "busy"}, {"do": "nothing"})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        {"do": None},
        {**CONNECT, "streamUrl": "https://x"},
        {**CONNECT, "token": 1},
        {**CONVERSE, "heardUrl": ""},
        {"do": "reject", "reason": "bored"},
        {"do": "reject"},
    ],
)
def test_what_is_no_instruction_is_refused(wrong: Any) -> None:
    """And what is one is read."""
    assert all(read_instruction(json.dumps(one).encode()) for one in _GOOD)
    with pytest.raises(BadInstruction):
        read_instruction(json.dumps(wrong).encode())


@given(st.binary(max_size=60) | st.dictionaries(st.just("do"), st.text()).map(json.dumps).map(str.encode))
def test_only_a_bad_instruction_comes_out_of_reading(body: bytes) -> None:
    """Whatever the customer sends."""
    try:
        found: Instruction | None = read_instruction(body)
    except BadInstruction:
        found = None
    assert found is None or json.loads(body)["do"] in ("hangup", "nothing")


# --- the carrier's TTS and recognition


async def test_a_prompt_is_reported_when_it_was_heard_and_its_answer_names_the_turn(world: World) -> None:
    """Prompts are heard in order; keys are reported too, and do not interrupt."""
    customer, simulator = world
    customer.answer("call.answered", CONVERSE)
    await simulator.persona(
        {"answer_after_ms": 10}, {"wait_heard": "who"}, {"say": "it is me"}, {"press": "5"}, number=YOU
    )
    leg = await simulator.call()
    await simulator.line("webhook", call_sid=leg, what="call.answered")
    assert await simulator.say(leg, "who is it", 4) == 200
    assert (await customer.event(leg, "call.said"))["utterance"] == 4
    speech = await customer.event(leg, "call.speech")
    assert (speech["transcript"], speech["turnToken"], speech["path"]) == ("it is me", "t1", "/hook")
    assert (await customer.event(leg, "call.dtmf"))["digits"] == "5"


async def test_who_is_listened_to_cuts_the_prompt_and_who_is_not_does_not(world: World) -> None:
    """Barge-in: the end of an interrupted prompt is not reported."""
    customer, simulator = world
    customer.answer("call.answered", CONVERSE)
    interrupts = {"interrupt_after_chars": 4, "say": "stop"}
    for listens, reported in ((True, "call.speech"), (False, "call.said")):
        await simulator.persona({"answer_after_ms": 10}, interrupts, {"wait_ms": 10_000}, number=YOU)
        leg = await simulator.call()
        await simulator.line("webhook", call_sid=leg, what="call.answered")
        await simulator.say(leg, "a long long prompt", 1, listens=listens)
        await customer.event(leg, reported)
        await simulator.api("POST", f"calls/{leg}/hangup", {})
        (heard,) = (await simulator.ended(leg))["heard"]
        assert heard["complete"] is not listens
        assert {"call.speech", "call.said"} & set(customer.kinds(leg)) == {reported}


async def test_a_prompt_replaces_the_one_before(world: World) -> None:
    """And the answer that the call waits for, if a command overtakes it."""
    customer, simulator = world
    customer.answer("call.answered", {**CONVERSE, "text": "a long long prompt"})
    leg = await simulator.call()
    await simulator.line("said_natively", call_sid=leg)
    await simulator.say(leg, "short", 2)
    assert (await customer.event(leg, "call.said"))["utterance"] == 2
    await simulator.api("POST", f"calls/{leg}/hangup", {})
    assert (await simulator.ended(leg))["heard"][-1]["text"].endswith("short")


# --- who picked up

_DETECTION = ("call.detected", "call.beep")


@pytest.mark.parametrize(
    ("asked", "who", "reported"),
    [
        (True, "human", ["human"]),
        (True, "machine_start", ["machine", "beep"]),
        (True, "fax", ["fax"]),
        (True, "unknown", []),
        (False, "machine_start", []),
    ],
)
async def test_the_detection_result_is_sent_if_ordered(
    world: World, asked: bool, who: str, reported: list[str]
) -> None:
    """A machine records from the end of its greeting on; a doubtful voice is a person."""
    customer, simulator = world
    customer.answer("call.answered", CONVERSE)
    acts = ({"answered_by": who}, {"say": "leave it"}, {"wait_ms": 60}, {"hangup": True})
    await simulator.persona({"answer_after_ms": 10}, *acts, number=YOU)
    leg = await simulator.call(detectMachine=asked)
    await simulator.ended(leg)
    await customer.event(leg, "call.ended")
    found = [event.get("answeredBy", "beep") for event in customer.events(leg) if event["type"] in _DETECTION]
    assert found == reported


# --- the media socket


async def test_frames_are_flat_and_words_go_both_ways_to_the_letter(world: World) -> None:
    """start, audio, key, mark, stop; the token comes back, and so does a mark that was heard."""
    customer, simulator = world
    customer.answer("call.initiated", CONNECT)
    phones = answer_with(customer, simulator, audio=encode_mulaw("who is it"), until="key")
    leg = await simulator.inbound({"wait_heard": "who is it"}, {"say": "me"}, {"press": "7"})
    report = await simulator.ended(leg)
    (phone,) = phones
    start, *rest = phone.got
    assert start == {"event": "start", "stream": phone.stream, "leg": leg, "call": CALL, "token": "tok"}
    assert [frame["n"] for frame in phone.events("audio")] == list(range(1, len(phone.events("audio")) + 1))
    audio = [base64.b64decode(frame["payload"]) for frame in phone.events("audio")]
    assert {len(frame) for frame in audio} == {160}
    assert [utterance.text for utterance in decode_all(b"".join(audio))] == ["me"]
    assert phone.events("key") == [{"event": "key", "stream": phone.stream, "digit": "7"}]
    assert phone.events("mark") == [{"event": "mark", "stream": phone.stream, "name": "m1"}]
    assert rest[-1] == {"event": "stop", "stream": phone.stream}
    assert [heard["text"] for heard in report["heard"]] == ["who is it"]
    assert not {"call.speech", "call.dtmf"} & set(customer.kinds(leg))
    assert (await customer.event(leg, "call.ended"))["callId"] == CALL


async def test_a_clear_drops_what_waits_and_returns_its_mark(world: World) -> None:
    """And what is no frame of the protocol is written down."""
    customer, simulator = world
    customer.answer("call.initiated", CONNECT)

    async def on_socket(socket: web.WebSocketResponse, request: web.Request) -> None:
        phone = Phone(socket, request)
        leg = (await phone.until("start"))["leg"]
        await phone.say(encode_mulaw("a sentence that goes on and on"))
        await phone.mark("m1")
        await phone.send("clear", stream="another")
        await phone.send("dance", stream=phone.stream)
        await phone.send("clear", stream=phone.stream)
        await phone.until("mark")
        assert await simulator.say(leg, "no", 1) == 409
        await simulator.api("POST", f"calls/{leg}/hangup", {})
        await phone.drain()

    customer.on_socket = on_socket
    report = await simulator.ended(await simulator.inbound())
    (stream,) = report["streams"]
    assert [mark["why"] for mark in stream["marks"]] == ["cleared"]
    assert [error["error"] for error in stream["errors"]] == ["names another stream", "unknown event 'dance'"]


async def test_a_lost_socket_is_asked_about_where_the_reply_said(world: World) -> None:
    """Cut on demand; the second socket is another stream, of the same call."""
    customer, simulator = world
    customer.answer("call.answered", CONNECT)
    customer.answer("call.waiting", {**CONNECT, "token": "tok-2"})
    tokens: list[str] = []

    async def on_socket(socket: web.WebSocketResponse, request: web.Request) -> None:
        phone = Phone(socket, request)
        start = await phone.until("start")
        tokens.append(start["token"])
        if len(tokens) == 2:
            await simulator.api("POST", f"calls/{start['leg']}/hangup", {})
        await phone.drain()

    customer.on_socket = on_socket
    await simulator.sim("POST", "misbehave", {"where": "stream", "do": "cut", "ms": 50})
    leg = await simulator.call()
    report = await simulator.ended(leg)
    waiting = await customer.event(leg, "call.waiting")
    assert (waiting["path"], waiting["callId"], tokens) == ("/resume", CALL, ["tok", "tok-2"])
    assert [stream["ended_by"] for stream in report["streams"]] == ["fault", "call"]
    assert len({stream["sid"] for stream in report["streams"]}) == 2


# --- REST


async def test_an_order_is_done_once_and_found_by_the_customers_own_name(world: World) -> None:
    """The same effect is the same leg, also when its reply was lost."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 5000}, number=YOU)
    rule = {"where": "rest", "do": "status", "status": 500, "when": "after", "match": {"op": "create"}}
    await simulator.sim("POST", "misbehave", rule)
    assert (await simulator.order(effect="e-1", call="mine"))[0] == 500
    status, found = await simulator.api("GET", "find?call=mine")
    assert (status, found["status"]) == (200, "alive")
    assert await simulator.order(effect="e-1", call="mine") == (200, {"leg": found["leg"]})
    assert (await simulator.line("rest.lost_reply"))["call_sid"] == found["leg"]
    assert (await simulator.say(found["leg"], "hello", 1), await simulator.say("unknown", "hello", 1)) == (409, 404)
    assert (await simulator.api("POST", f"calls/{found['leg']}/hangup", {}))[0] == 200
    assert (await simulator.api("POST", f"calls/{found['leg']}/hangup", {}))[0] == 404
    assert (await customer.event(found["leg"], "call.ended"))["reason"] == "hangup-bot"
    assert (await simulator.api("GET", "find?call=unknown"))[0] == 404
    assert (await simulator.api("GET", "calls/unknown"))[0] == 404


async def test_keys_are_pressed_on_a_line(world: World) -> None:
    """And only keys."""
    customer, simulator = world
    customer.answer("call.answered", CONVERSE)
    leg = await simulator.call()
    await simulator.line("webhook", call_sid=leg, what="call.answered")
    assert (await simulator.api("POST", f"calls/{leg}/digits", {"digits": "12#"}))[0] == 200
    assert (await simulator.line("digits", call_sid=leg))["digits"] == "12#"
    status, body = await simulator.api("POST", f"calls/{leg}/digits", {"digits": "hello"})
    assert (status, body["code"]) == (422, "bad-digits")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": "12"}, "bad-number"),
        ({"webhookUrl": "ftp://x"}, "bad-url"),
        ({"ringTimeoutS": -1}, "bad-field"),
        ({"timeLimitS": True}, "bad-field"),
        ({"detectMachine": "yes"}, "bad-field"),
        ({"call": ""}, "bad-field"),
    ],
)
async def test_a_wrong_order_is_refused(world: World, change: dict[str, Any], code: str) -> None:
    """With a code and a message, and no call is placed."""
    _, simulator = world
    status, body = await simulator.order(**change)
    assert (status, body["code"]) == (422, code)
    assert body["message"]
    assert (await simulator.sim("GET", "ledger"))["calls"] == []


async def test_strangers_are_refused(world: World) -> None:
    """401, whatever they ask."""
    _, simulator = world
    assert (await simulator.api("GET", "find?call=x", secret="guessed"))[0] == 401
