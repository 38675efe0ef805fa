"""The simulator of Telnyx: REST, signed events, commands on a line. The official SDK is the oracle where it can be."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from telnyx import AsyncTelnyx, Telnyx
from telnyx.lib.webhook_verification import WebhookVerificationError

from simulators.telnyx.signature import Signer
from tests.simulators.carrier_process import running_carrier
from tests.simulators.telnyx_customer import (
    CONNECTION,
    HOOK,
    KEY,
    ME,
    OPTIONS,
    YOU,
    TelnyxCustomer,
    TelnyxSimulator,
    world_of,
)
from tests.simulators.twilio_customer import Received

World = tuple[TelnyxCustomer, TelnyxSimulator]
SIGNER = Signer()
SDK = Telnyx(api_key="k", public_key=SIGNER.public_key)
STATE = base64.b64encode(b"call-1").decode()


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    with running_carrier("simulators.telnyx", *OPTIONS) as printed:
        yield printed


@pytest.fixture
async def world(ready: dict[str, Any]) -> AsyncIterator[World]:
    async with world_of(ready) as world:
        await world[1].persona({"answer_after_ms": 10})
        yield world


# --- signatures


# Which of them the SDK raises depends on whether another module imported `telnyx.lib` before.
REFUSALS = (ValueError, WebhookVerificationError)


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text()))
def test_the_sdk_accepts_what_the_simulator_signs_and_nothing_else(payload: dict[str, str]) -> None:
    """Ed25519 over timestamp and raw body: one byte more and the SDK refuses."""
    body = json.dumps({"data": {"event_type": "call.answered", "payload": payload}})
    headers = SIGNER.headers(int(time.time()), body.encode())
    SDK.webhooks.unwrap(body, headers=headers)
    with pytest.raises(REFUSALS):
        SDK.webhooks.unwrap(body + " ", headers=headers)


def test_a_seed_fixes_the_key() -> None:
    """RFC 8032, test 1: the public key that belongs to this seed."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    raw = base64.b64decode(Signer(seed).public_key)
    assert raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


# --- a call's life


async def test_an_outbound_call_is_reported_as_the_sdk_reads_it(world: World) -> None:
    """initiated, answered, hangup, one client_state in each: verified by the SDK with the ready line's key."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 60}, {"hangup": True})
    sid = await simulator.call(client_state=STATE)
    report = await simulator.ended(sid)
    hangup = await customer.event(sid, "call.hangup")
    sdk = Telnyx(api_key=KEY, public_key=simulator.public_key)
    for request in customer.requests:
        event = sdk.webhooks.unwrap(request.body.decode(), headers=request.headers)
        assert event.data.payload.client_state == STATE
        assert json.loads(request.body)["meta"] == {"attempt": 1, "delivered_to": HOOK}
        assert request.headers["User-Agent"] == "telnyx-webhooks"
    assert sorted(customer.types(sid)) == ["call.answered", "call.hangup", "call.initiated"]
    assert (hangup["hangup_cause"], hangup["hangup_source"], hangup["sip_hangup_cause"]) == (
        "normal_clearing",
        "callee",
        "200",
    )
    assert (await customer.event(sid, "call.initiated"))["direction"] == "outgoing"
    assert report["status"] == "completed"
    assert report["ended_by"] == "callee"
    assert report["hangup"] == {"cause": "normal_clearing", "source": "callee", "sip": "200"}


@pytest.mark.parametrize(
    ("persona", "cause", "sip"),
    [
        ({"busy": True}, "user_busy", "486"),
        ({"failed": True}, "not_found", "404"),
        ({"no_answer": True}, "timeout", "487"),
    ],
)
async def test_an_unanswered_call_ends_with_its_cause(
    world: World, persona: dict[str, Any], cause: str, sip: str
) -> None:
    """Hangup causes are Telnyx's own words; nothing was billed."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, persona)
    sid = await simulator.call(timeout_secs=5)
    report = await simulator.ended(sid)
    hangup = await customer.event(sid, "call.hangup")
    assert (hangup["hangup_cause"], hangup["sip_hangup_cause"]) == (cause, sip)
    assert report["billed_seconds"] == 0
    assert "call.answered" not in customer.types(sid)


async def test_an_incoming_call_waits_until_it_is_answered(world: World) -> None:
    """It is parked: no audio, no billing, until `answer`; then what the caller says is transcribed."""
    customer, simulator = world
    sid = await simulator.inbound({"wait_ms": 100}, {"say": "hello there"}, {"wait_ms": 100}, {"hangup": True})
    first = await customer.event(sid, "call.initiated")
    assert (first["direction"], first["state"], first["from"], first["to"]) == ("incoming", "parked", YOU, ME)
    assert await simulator.refused(sid, "speak", payload="hi", voice="female") == (422, "90034")
    await simulator.command(sid, "answer", client_state=STATE)
    assert (await customer.event(sid, "call.answered"))["client_state"] == STATE
    await simulator.command(sid, "transcription_start", transcription_tracks="inbound")
    assert await simulator.refused(sid, "transcription_start") == (422, "90054")
    heard = await customer.event(sid, "call.transcription")
    assert heard["transcription_data"]["transcript"] == "hello there"
    assert heard["transcription_data"]["is_final"] is True
    hangup = await customer.event(sid, "call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("normal_clearing", "caller")


@pytest.mark.parametrize(
    ("cause", "reported"), [("USER_BUSY", "user_busy"), ("CALL_REJECTED", "call_rejected"), ("NOT_FOUND", "not_found")]
)
async def test_a_rejected_call_is_never_answered(world: World, cause: str, reported: str) -> None:
    """The caller gets the cause, and the call is not billed."""
    customer, simulator = world
    sid = await simulator.inbound()
    await simulator.command(sid, "reject", cause=cause)
    report = await simulator.ended(sid)
    assert (await customer.event(sid, "call.hangup"))["hangup_cause"] == reported
    assert report["answered_at"] is None


async def test_a_caller_who_gives_up_is_an_originator_cancel(world: World) -> None:
    """Before the answer."""
    customer, simulator = world
    sid = await simulator.inbound()
    await simulator.sim("POST", f"hangup/{sid}")
    assert (await customer.event(sid, "call.hangup"))["hangup_cause"] == "originator_cancel"


async def test_the_time_limit_ends_a_call(world: World) -> None:
    """The shortest that Telnyx allows is half a minute: too long for a test, so the range is what is tested here."""
    _, simulator = world
    status, body = await simulator.api(
        "POST", "calls", {"connection_id": CONNECTION, "to": YOU, "from": ME, "time_limit_secs": 29}
    )
    assert (status, body["errors"][0]["source"]) == (422, {"pointer": "/time_limit_secs"})
    sid = await simulator.call(time_limit_secs=14_400)
    assert (await simulator.sim("GET", f"calls/{sid}"))["time_limit_s"] == 14_400


# --- commands


async def test_what_is_spoken_is_heard_and_reported_in_real_time(world: World) -> None:
    """`speak` is tone code heard by the callee; started and ended lie as far apart as it sounds."""
    customer, simulator = world
    sid = await simulator.call()
    await customer.event(sid, "call.answered")
    await simulator.command(sid, "speak", payload="one moment please", voice="AWS.Polly.Joanna")
    ended = await customer.event(sid, "call.speak.ended")
    assert ended["status"] == "completed"
    events = {data["event_type"]: data for data in customer.events(sid)}
    between = _seconds(events["call.speak.ended"]) - _seconds(events["call.speak.started"])
    assert between == pytest.approx(17 * 0.04 + 0.04, abs=0.15)
    await simulator.command(sid, "hangup")
    report = await simulator.ended(sid)
    assert [(heard["text"], heard["complete"]) for heard in report["heard"]] == [("one moment please", True)]
    assert report["ended_by"] == "api"
    assert (await customer.event(sid, "call.hangup"))["hangup_source"] == "caller"


async def test_two_texts_are_spoken_one_after_the_other_and_a_stop_cuts_both(world: World) -> None:
    """A queue, and `stop` in the next command or in playback_stop empties it."""
    customer, simulator = world
    sid = await simulator.call()
    await customer.event(sid, "call.answered")
    await simulator.command(sid, "speak", payload="a sentence that goes on for quite a while", voice="v")
    await simulator.command(sid, "speak", payload="never heard", voice="v")
    await simulator.line("said_natively", call_sid=sid)
    await simulator.command(sid, "playback_stop", stop="all")
    assert (await customer.event(sid, "call.speak.ended"))["status"] == "cancelled"
    await simulator.command(sid, "speak", payload="heard", voice="v")
    await simulator.line("speak.ended", call_sid=sid, status="completed")
    await simulator.command(sid, "hangup")
    texts = [heard["text"] for heard in (await simulator.ended(sid))["heard"]]
    assert texts[-1] == "heard"
    assert "never heard" not in texts


async def test_a_hangup_in_mid_speech_ends_the_speech(world: World) -> None:
    """`call_hangup` is its status."""
    customer, simulator = world
    sid = await simulator.call()
    await customer.event(sid, "call.answered")
    await simulator.command(sid, "speak", payload="a sentence that goes on for quite a while", voice="v")
    await customer.event(sid, "call.speak.started")
    await simulator.command(sid, "hangup")
    assert (await customer.event(sid, "call.speak.ended"))["status"] == "call_hangup"


async def test_keys_are_reported_and_gathered(world: World) -> None:
    """Each key is an event; a gather ends with its terminator."""
    customer, simulator = world
    sid = await simulator.inbound({"wait_ms": 100}, {"press": "12#"})
    await simulator.command(sid, "answer")
    await simulator.command(sid, "gather", terminating_digit="#", gather_id="g1")
    ended = await customer.event(sid, "call.gather.ended")
    assert (ended["digits"], ended["status"], ended["gather_id"]) == ("12", "valid", "g1")
    keys = [json.loads(r.body)["data"]["payload"]["digit"] for r in await customer.requests_of("call.dtmf.received", 3)]
    assert sorted(keys) == ["#", "1", "2"]
    await simulator.command(sid, "send_dtmf", digits="1w2")
    assert (await simulator.line("digits", call_sid=sid))["digits"] == "1w2"


@pytest.mark.parametrize(
    ("mode", "who", "kind", "results"),
    [
        ("detect", "human", "call.machine.detection.ended", ["human"]),
        ("detect", "machine_start", "call.machine.detection.ended", ["machine"]),
        ("premium", "human", "call.machine.premium.detection.ended", ["human_residence"]),
        ("greeting_end", "machine_end_beep", "call.machine.greeting.ended", ["machine", "beep_detected"]),
        ("detect_beep", "machine", "call.machine.detection.ended", ["machine"]),
        ("premium", "machine_start", "call.machine.premium.greeting.ended", ["machine", "no_beep_detected"]),
    ],
)
async def test_machines_are_detected(world: World, mode: str, who: str, kind: str, results: list[str]) -> None:
    """First what it is; for a machine, when its greeting is over."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, {"answered_by": who}, {"say": "leave a message"})
    sid = await simulator.call(answering_machine_detection=mode)
    last = await customer.event(sid, kind)
    assert last["result"] == results[-1]
    reported = [data["payload"]["result"] for data in customer.events(sid) if "result" in data["payload"]]
    assert reported == results


async def test_a_beep_is_reported_when_it_has_sounded(world: World) -> None:
    """If beeps were ordered; what is heard after it is what the machine records."""
    customer, simulator = world
    script = {"say": "leave a message"}, {"beep": True}
    await simulator.persona({"answer_after_ms": 10}, {"answered_by": "machine"}, {"verdict_after_ms": 20}, *script)
    sid = await simulator.call(answering_machine_detection="detect_beep")
    reported = await customer.event(sid, "call.machine.greeting.ended")
    assert reported["result"] == "beep_detected"
    beeped = await simulator.line("callee.beeped", call_sid=sid)
    verdict = await simulator.line("verdict", call_sid=sid)
    assert verdict["answered_by"] == "machine"
    assert verdict["at_ms"] < beeped["end_ms"]


# --- refusals and repeats


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"to": "12"}, 422, "10015"),
        ({"from": None}, 422, "10004"),
        ({"connection_id": "other"}, 422, "10015"),
        ({"client_state": "not base64!"}, 422, "90017"),
        ({"stream_url": "https://x.example"}, 422, "10015"),
        ({"answering_machine_detection": "maybe"}, 422, "10015"),
        ({"webhook_retries_policies": {"call.answered": {"retries_ms": [1] * 6}}}, 422, "10015"),
    ],
)
async def test_a_wrong_order_is_refused_with_telnyxs_code(
    world: World, change: dict[str, Any], status: int, code: str
) -> None:
    """And nothing is dialled."""
    _, simulator = world
    order = {"connection_id": CONNECTION, "to": YOU, "from": ME, **change}
    got, body = await simulator.api("POST", "calls", order)
    assert (got, body["errors"][0]["code"]) == (status, code)
    assert (await simulator.sim("GET", "ledger"))["calls"] == []


async def test_strangers_unknown_calls_and_ended_calls_are_refused(world: World) -> None:
    """401, 90015, 404 and 90018."""
    _, simulator = world
    assert (await simulator.api("POST", "calls", {}, key="wrong"))[0] == 401
    assert await simulator.refused("v3:unknown", "hangup") == (422, "90015")
    assert (await simulator.api("GET", "calls/v3:unknown"))[0] == 404
    sid = await simulator.call()
    await simulator.command(sid, "hangup")
    await simulator.ended(sid)
    assert await simulator.refused(sid, "hangup") == (422, "90018")
    assert (await simulator.api("GET", f"calls/{sid}"))[1]["data"]["is_alive"] is False


async def test_a_command_id_is_done_once(world: World) -> None:
    """The repeat is answered alike and does nothing: one call, one speech."""
    customer, simulator = world
    first = await simulator.call(command_id="d1")
    assert await simulator.call(command_id="d1") == first
    await customer.event(first, "call.answered")
    for _ in range(3):
        await simulator.command(first, "speak", payload="once", voice="v", command_id="s1")
    await simulator.line("speak.ended", call_sid=first)
    await simulator.command(first, "hangup", command_id="h1")
    assert await simulator.command(first, "hangup", command_id="h1") == {"data": {"result": "ok"}}
    report = await simulator.ended(first)
    assert [heard["text"] for heard in report["heard"]] == ["once"]
    assert len((await simulator.sim("GET", "ledger"))["calls"]) == 1


async def test_the_sdk_itself_can_drive_the_simulator(world: World) -> None:
    """The official client dials, looks, lists, speaks and hangs up, and retries a 429 by itself."""
    customer, simulator = world
    await simulator.sim("POST", "misbehave", {"where": "rest", "do": "status", "status": 429})
    async with AsyncTelnyx(api_key=KEY, base_url=f"{simulator.url}/v2") as sdk:
        dialled = await sdk.calls.dial(connection_id=CONNECTION, from_=ME, to=YOU)
        assert dialled.data is not None
        sid = dialled.data.call_control_id
        await customer.event(sid, "call.answered")
        status = await sdk.calls.retrieve_status(sid)
        assert status.data is not None
        assert status.data.is_alive is True
        listed = await sdk.connections.list_active_calls(CONNECTION)
        assert [one.call_control_id for one in listed.data or []] == [sid]
        await sdk.calls.actions.speak(sid, payload="hello", voice="female")
        await customer.event(sid, "call.speak.ended")
        await sdk.calls.actions.hangup(sid)
    report = await simulator.ended(sid)
    assert [heard["text"] for heard in report["heard"]] == ["hello"]
    requests = (await simulator.sim("GET", "ledger"))["requests"]
    assert [line["status"] for line in requests if line["op"] == "create"] == [429, 200]


async def test_a_busy_simulator_says_so_in_headers(world: World) -> None:
    """429 carries what a client needs to wait."""
    _, simulator = world
    await simulator.sim("POST", "misbehave", {"where": "rest", "do": "status", "status": 429, "match": {"op": "fetch"}})
    status, body = await simulator.api("GET", "calls/v3:x")
    assert (status, body["errors"][0]["code"]) == (429, "10011")
    assert (simulator.headers["x-ratelimit-remaining"], simulator.headers["x-ratelimit-reset"]) == ("0", "1")


async def test_a_lost_reply_is_still_a_deed(world: World) -> None:
    """5xx after acting: the call exists, and the ledger joins the two."""
    _, simulator = world
    rule = {"where": "rest", "do": "status", "status": 500, "when": "after", "match": {"op": "create"}}
    await simulator.sim("POST", "misbehave", rule)
    status, _ = await simulator.api("POST", "calls", {"connection_id": CONNECTION, "to": YOU, "from": ME})
    assert status == 500
    (call,) = (await simulator.sim("GET", "ledger"))["calls"]
    assert (await simulator.line("rest.lost_reply"))["call_sid"] == call["sid"]


# --- delivery


async def test_a_failed_delivery_is_tried_again_then_goes_to_the_failover(world: World) -> None:
    """Three attempts with growing pauses and meta.attempt, one event id, then the failover URL."""
    customer, simulator = world
    customer.pages["/telnyx"] = lambda _: web.Response(status=503)
    await simulator.sim("POST", "number", {"voice_url": HOOK, "fallback_url": f"{HOOK}/failover"})
    try:
        sid = await simulator.inbound()
        bodies: list[Any] = []
        while len(bodies) < 4:
            late = await customer.requests_of("call.initiated", 1, "/telnyx/failover")
            tries = await customer.requests_of("call.initiated", 1)
            # A call of an earlier test may still be sending events.
            reported = [json.loads(request.body) for request in [*tries, *late]]
            bodies = [body for body in reported if body["data"]["payload"]["call_control_id"] == sid]
            await asyncio.sleep(0.05)
    finally:
        await simulator.sim("POST", "number", {"voice_url": HOOK})
    assert [body["meta"]["attempt"] for body in bodies] == [1, 2, 3, 1]
    assert len({body["data"]["id"] for body in bodies}) == 1
    assert bodies[-1]["meta"]["delivered_to"] == f"{HOOK}/failover"
    lines = [line for line in (await simulator.sim("GET", "ledger"))["webhooks"] if line["what"] == "call.initiated"]
    lines = [line for line in lines if line["call_sid"] == sid]
    first, second, third, _ = (line["started_at"] for line in lines)
    assert 0.4 < second - first < 0.9 < third - second


async def test_a_webhook_answered_after_two_seconds_is_sent_again(world: World) -> None:
    """The retry threshold: the first answer comes too late to count."""
    customer, simulator = world
    sent_again = asyncio.Event()
    tries = 0

    async def slow(received: Received) -> web.Response:
        nonlocal tries
        del received
        tries += 1
        if tries > 1:
            sent_again.set()
        else:
            await sent_again.wait()
        return web.Response(status=200)

    customer.pages["/slow"] = slow
    await simulator.sim(
        "POST", "inbound", {"from": YOU, "to": ME, "persona": [], "url": "https://voice.example.com/slow"}
    )
    first, second = (await customer.requests_of("call.initiated", 2, "/slow"))[:2]
    assert json.loads(first.body)["data"] == json.loads(second.body)["data"]
    (line, _) = [x for x in (await simulator.sim("GET", "ledger"))["webhooks"] if x["url"].endswith("/slow")][:2]
    assert (line["failure"], line["attempt"]) == ("rt", 1)
    assert line["ms"] == pytest.approx(2000, abs=400)


async def test_a_4xx_is_an_answer(world: World) -> None:
    """Only 408 and 429 are worth another try."""
    customer, simulator = world
    customer.page("/telnyx", web.Response(status=404))
    sid = await simulator.inbound()
    await simulator.sim("POST", f"hangup/{sid}")
    await customer.requests_of("call.hangup", 1)
    assert len(await customer.requests_of("call.initiated", 1)) == 1


async def test_a_calls_own_retry_policy_and_urls_count(world: World) -> None:
    """`webhook_urls` and `webhook_retries_policies` of a dial request are per event type."""
    customer, simulator = world
    customer.pages["/answered"] = lambda _: web.Response(status=500)
    sid = await simulator.call(
        webhook_urls={"call.answered": "https://voice.example.com/answered"},
        webhook_retries_policies={"call.answered": {"retries_ms": [10, 20]}},
    )
    assert len(await customer.requests_of("call.answered", 3, "/answered")) == 3
    await simulator.command(sid, "hangup")


async def test_events_can_overtake_each_other_and_come_twice(world: World) -> None:
    """On demand: initiated after answered, hangup three times with one id."""
    customer, simulator = world
    match = {"kind": "call.initiated"}
    await simulator.sim("POST", "misbehave", {"where": "webhook", "do": "reorder", "match": match})
    twins = {"where": "webhook", "do": "duplicate", "copies": 3, "within_ms": 30, "match": {"kind": "hangup"}}
    await simulator.sim("POST", "misbehave", twins)
    sid = await simulator.call()
    await customer.event(sid, "call.initiated")
    assert customer.types(sid) == ["call.answered", "call.initiated"]
    await simulator.command(sid, "hangup")
    copies = await customer.requests_of("call.hangup", 3)
    assert len({json.loads(copy.body)["data"]["id"] for copy in copies}) == 1


def _seconds(data: dict[str, Any]) -> float:
    return datetime.fromisoformat(data["occurred_at"]).timestamp()
