"""The REST API of Twilio's simulator with its refusals and faults, and the personas and events of `/_sim`."""

import json
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.simulators.twilio_customer import (
    ACCOUNT,
    ME,
    PUBLIC,
    TOKEN,
    YOU,
    Customer,
    SimulatorClient,
    customer_of,
    running_simulator,
    twiml,
)

World = tuple[Customer, SimulatorClient]
PAUSE = twiml('<Pause length="60"/>')


@pytest.fixture(scope="module")
def process() -> Iterator[str]:
    with running_simulator() as url:
        yield url


@pytest.fixture
async def world(process: str) -> AsyncIterator[World]:
    async with customer_of(process) as world:
        await world[1].persona({"answer_after_ms": 20})
        yield world


def sdk_of(url: str, token: str = TOKEN) -> Client:
    client = Client(ACCOUNT, token)
    client.api.base_url = url
    return client


async def test_twilios_own_sdk_reads_what_the_simulator_answers(world: World, process: str) -> None:
    """The official client is the oracle of shapes: it parses each field, dates included, and pages through lists."""
    _, simulator = world
    sid = await simulator.dial(Twiml=PAUSE)
    await simulator.line("call", call_sid=sid, status="in-progress")
    other = await simulator.dial(Twiml=PAUSE)
    client = sdk_of(process)

    call = client.calls(sid).fetch()
    assert (call.sid, call.status, call.to, call._from) == (sid, "in-progress", YOU, ME)
    assert call.direction == "outbound-api"
    assert call.start_time is not None

    assert [c.sid for c in client.calls.list(page_size=1)][:2] == [other, sid]
    assert call.update(status="completed").status == "completed"
    assert [c.sid for c in client.calls.list(status="completed", to=YOU)] == [sid]
    assert sid in [c.sid for c in client.calls.list(start_time_after=call.start_time)]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"To": "12345"}, 400, 21211),
        ({"To": "+1555"}, 400, 21211),
        ({"To": ""}, 400, 21201),
        ({"From": "unknown"}, 400, 21212),
        ({"From": ""}, 400, 21213),
        ({"Url": "ftp://example.com/x"}, 400, 21205),
        ({"Url": "not a url"}, 400, 21205),
        ({"Url": ""}, 400, 21205),
        ({"StatusCallback": "gopher://x"}, 400, 21609),
        ({"StatusCallbackEvent": "exploded", "StatusCallback": PUBLIC}, 400, 21626),
        ({"Timeout": "601"}, 400, 20001),
        ({"Url": "", "Twiml": "<Response>"}, 400, 12100),
        ({"Url": "", "Twiml": twiml("<Say>" + "x" * 4000 + "</Say>")}, 400, 20001),
    ],
)
async def test_an_order_twilio_would_refuse_is_refused_with_its_code(
    world: World, changed: dict[str, str], status: int, code: int
) -> None:
    """Refused orders make no call."""
    _, simulator = world
    form = {"To": YOU, "From": ME, "Url": f"{PUBLIC}/voice"} | changed
    answered, body = await simulator.rest("POST", ".json", form)
    assert (answered, body["code"], body["status"]) == (status, code, status)
    assert (await simulator.sim("GET", "ledger"))["calls"] == []


async def test_a_wrong_token_a_wrong_account_and_a_wrong_call_are_distinguished(world: World, process: str) -> None:
    """20003 for who you are, 20404 for what you ask for."""
    _, simulator = world
    status, body = await simulator.rest("GET", ".json", auth=(ACCOUNT, "wrong"))
    assert (status, body["code"]) == (401, 20003)
    status, body = await simulator.rest("GET", "/CAffffffffffffffffffffffffffffffff.json")
    assert (status, body["code"]) == (404, 20404)
    with pytest.raises(TwilioRestException) as refused:
        sdk_of(process).api.v2010.accounts("AC" + "f" * 32).calls("CA" + "f" * 32).fetch()
    assert refused.value.code == 20404


async def test_a_finished_call_cannot_be_changed(world: World) -> None:
    """21220: hanging up twice, or redirecting what is over, is refused and changes nothing."""
    _, simulator = world
    sid = await simulator.dial(Twiml=PAUSE)
    await simulator.line("call", call_sid=sid, status="in-progress")
    assert (await simulator.rest("POST", f"/{sid}.json", {"Status": "completed"}))[0] == 200
    for form in ({"Status": "completed"}, {"Twiml": PAUSE}, {"Status": "canceled"}):
        status, body = await simulator.rest("POST", f"/{sid}.json", form)
        assert (status, body["code"]) == (400, 21220)
    assert (await simulator.ended(sid))["ended_by"] == "api"


async def test_a_ringing_call_can_be_canceled_but_not_redirected(world: World) -> None:
    """An unanswered call is not billed."""
    _, simulator = world
    await simulator.persona({"answer_after_ms": 60_000})
    sid = await simulator.dial(Twiml=PAUSE)
    await simulator.line("call", call_sid=sid, status="ringing")
    assert (await simulator.rest("POST", f"/{sid}.json", {"Twiml": PAUSE}))[1]["code"] == 21220
    assert (await simulator.rest("POST", f"/{sid}.json", {"Status": "canceled"}))[1]["status"] == "canceled"
    report = await simulator.ended(sid)
    assert (report["status"], report["billed_seconds"]) == ("canceled", 0)


@pytest.mark.parametrize(
    ("script", "status"),
    [({"busy": True}, "busy"), ({"failed": True}, "failed"), ({"no_answer": True}, "no-answer")],
)
async def test_a_call_that_is_not_answered_ends_as_its_persona_has_it(
    world: World, script: dict[str, bool], status: str
) -> None:
    """Each refusal is final, unbilled, and part of the history."""
    _, simulator = world
    await simulator.persona(script)
    sid = await simulator.dial(Twiml=PAUSE, Timeout=1)
    report = await simulator.ended(sid)
    assert (report["status"], report["billed_seconds"], report["answered_at"]) == (status, 0, None)
    assert [entry["status"] for entry in report["history"]][:2] == ["queued", "initiated"]


async def test_the_time_limit_completes_the_call_whatever_it_is_doing(world: World) -> None:
    """The carrier's own cap, which holds without any process of the customer."""
    _, simulator = world
    sid = await simulator.dial(Twiml=PAUSE, TimeLimit=1)
    report = await simulator.ended(sid)
    assert (report["status"], report["ended_by"], report["billed_seconds"]) == ("completed", "time-limit", 1)
    assert 0.95 < report["ended_at"] - report["answered_at"] < 1.5


async def test_a_429_leaves_no_call_behind(world: World) -> None:
    """`before`: the request did not happen, so that trying again is safe."""
    _, simulator = world
    await simulator.sim(
        "POST", "misbehave", {"where": "rest", "do": "status", "status": 429, "match": {"op": "create"}}
    )
    status, body = await simulator.rest("POST", ".json", {"To": YOU, "From": ME, "Twiml": PAUSE})
    assert (status, body["code"]) == (429, 20429)
    ledger = await simulator.sim("GET", "ledger")
    assert ledger["calls"] == []
    assert ledger["struck"] == {"rest.status": 1}


@pytest.mark.parametrize("do", ["status", "garbage", "cut"])
async def test_a_lost_reply_hides_a_call_that_was_made(world: World, do: str) -> None:
    """`after`: the deed is done and the answer says nothing of it; only the ledger and the list know."""
    _, simulator = world
    to = "+15550003333"
    rule = {"where": "rest", "do": do, "when": "after", "match": {"To": "3333$"}}
    await simulator.sim("POST", "misbehave", rule)
    form = {"To": to, "From": ME, "Twiml": PAUSE}
    if do == "cut":
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await simulator.rest("POST", ".json", form)
    elif do == "garbage":
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await simulator.rest("POST", ".json", form)
    else:
        assert (await simulator.rest("POST", ".json", form))[0] == 503
    _, page = await simulator.rest("GET", f".json?To=%2B{to[1:]}")
    live = [call["sid"] for call in page["calls"] if call["status"] != "completed"]
    lost = await simulator.line("rest.lost_reply", do=do)
    assert live == [lost["call_sid"]]
    await simulator.rest("POST", f"/{live[0]}.json", {"Status": "completed"})


async def test_a_slow_answer_is_late_and_true(world: World) -> None:
    """Slow is not wrong: after the wait the real answer comes."""
    _, simulator = world
    await simulator.sim("POST", "misbehave", {"where": "rest", "do": "slow", "ms": 150})
    sid = await simulator.dial(Twiml=PAUSE)
    request = await simulator.line("rest", op="create")
    assert request["ms"] >= 150
    assert request["call_sid"] == sid


async def test_calls_beyond_the_rate_wait_in_the_queue() -> None:
    """Twilio queues what exceeds the calls per second; the resource states how long."""
    with running_simulator("--cps", "2") as url:
        async with customer_of(url) as (_, simulator):
            sids = [await simulator.dial(Twiml=PAUSE) for _ in range(3)]
            await simulator.line("call", call_sid=sids[-1], status="ringing")
            waits = [int((await simulator.rest("GET", f"/{sid}.json"))[1]["queue_time"]) for sid in sids]
    assert waits[0] == 0
    assert 0 < waits[1] <= 500
    assert waits[1] < waits[2] <= 1000


async def test_an_unknown_step_or_rule_is_refused_by_name(world: World) -> None:
    """A typo in a scenario must not become a scenario that tests nothing."""
    _, simulator = world
    for path, body in [
        ("persona", {"number": YOU, "script": [{"sing": "la"}]}),
        ("persona", {"number": YOU, "script": [{"wait_heard": "("}]}),
        ("misbehave", {"where": "webhook", "do": "garbage"}),
        ("misbehave", {"where": "rest", "do": "cut", "tims": 2}),
    ]:
        async with simulator.http.post(f"{simulator.url}/_sim/{path}", json=body) as response:
            assert response.status == 400
            assert await response.json()


async def test_a_live_timeline_reads_each_line_as_it_is_written(world: World) -> None:
    """Server-sent events: the ledger's own lines, in order, with their sequence numbers as ids; leaving is harmless."""
    _, simulator = world
    seen: list[tuple[int, dict[str, str]]] = []
    async with simulator.http.get(f"{simulator.url}/_sim/events", params={"after": simulator.seen}) as stream:
        assert stream.content_type == "text/event-stream"
        sid = await simulator.dial(Twiml=twiml("<Hangup/>"))
        while not seen or seen[-1][1].get("status") != "completed":
            name, _, value = (await stream.content.readline()).decode().strip().partition(": ")
            if name == "id":
                seen.append((int(value), {}))
            elif name == "data":
                seen[-1][1].update(json.loads(value))
    assert [number for number, _ in seen] == list(range(simulator.seen + 1, simulator.seen + 1 + len(seen)))
    statuses = [line["status"] for _, line in seen if line["kind"] == "call" and line["call_sid"] == sid]
    assert statuses == ["queued", "initiated", "ringing", "in-progress", "completed"]
    assert (await simulator.sim("GET", "health"))["faults"] == []


async def test_a_live_persona_can_be_given_another_script(world: World) -> None:
    """Scenarios may react: the person on the line begins to act anew, with the line's own times."""
    _, simulator = world
    sid = await simulator.dial(Twiml=PAUSE)
    await simulator.line("call", call_sid=sid, status="in-progress")
    await simulator.sim("POST", "persona", {"call_sid": sid, "script": [{"say": "New here."}, {"hangup": True}]})
    report = await simulator.ended(sid)
    assert report["ended_by"] == "callee"
    assert [(said["text"], said["complete"]) for said in report["said"]] == [("New here.", True)]


async def test_a_persona_for_once_is_used_for_the_next_call_only(world: World) -> None:
    """The second caller reaches the permanent persona."""
    _, simulator = world
    await simulator.sim("POST", "persona", {"number": YOU, "script": [{"busy": True}], "once": True})
    assert (await simulator.ended(await simulator.dial(Twiml=twiml("<Hangup/>"))))["status"] == "busy"
    assert (await simulator.ended(await simulator.dial(Twiml=twiml("<Hangup/>"))))["status"] == "completed"
