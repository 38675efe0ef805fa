"""The webhooks of the simulator of Twilio: signatures, retries as the URL asks, faults on demand."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from simulators.phone.retries import RetryPolicy
from simulators.twilio.retries import DEFAULT, retry_policy
from simulators.twilio.signature import sign
from tests.simulators.twilio_customer import (
    PUBLIC,
    TOKEN,
    Customer,
    Received,
    SimulatorClient,
    customer_of,
    running_simulator,
    twiml,
)

World = tuple[Customer, SimulatorClient]
HANG_UP = twiml("<Hangup/>")
ALL = ["initiated", "ringing", "answered", "completed"]


@pytest.fixture(scope="module")
def process() -> Iterator[str]:
    with running_simulator() as url:
        yield url


@pytest.fixture
async def world(process: str) -> AsyncIterator[World]:
    async with customer_of(process) as world:
        await world[1].persona({"answer_after_ms": 20})
        yield world


def genuine(received: Received) -> bool:
    """Whether Twilio's own validator accepts the request at its public URL."""
    return bool(
        RequestValidator(TOKEN).validate(
            PUBLIC + received.path, dict(received.fields), received.headers["X-Twilio-Signature"]
        )
    )


async def test_every_webhook_passes_twilios_own_validator_at_its_public_url(world: World) -> None:
    """Signed for the name the customer configured, delivered to where the tunnel leads."""
    customer, simulator = world
    customer.page("/voice", HANG_UP)
    sid = await simulator.dial(
        Url=f"{PUBLIC}/voice#rc=2", StatusCallback=f"{PUBLIC}/status", StatusCallbackEvent=ALL, Timeout=20
    )
    await customer.request("/status", CallStatus="completed")
    assert {received.path for received in customer.requests} == {"/voice", "/status"}
    assert all(genuine(received) for received in customer.requests)
    assert all(received["CallSid"] == sid for received in customer.requests)
    assert all(received.headers["Host"] == "voice.example.com" for received in customer.requests)


def test_signatures_agree_with_the_sdk_on_repeated_empty_and_foreign_fields() -> None:
    """The cases in which implementations differ: one value twice, several values, nothing, and not ASCII."""
    validator = RequestValidator(TOKEN)
    fields = [("b", ""), ("a", "2"), ("a", "1"), ("a", "1"), ("SpeechResult", "größer, 你好 & more")]

    class Many(dict[str, str]):
        def getall(self, name: str) -> list[str]:
            return [value for key, value in fields if key == name]

    for url in (f"{PUBLIC}/x?y=1&z=%20", "wss://voice.example.com/media/a-token"):
        assert sign(TOKEN, url, fields) == validator.compute_signature(url, Many(fields))
        assert validator.validate(url, {}, sign(TOKEN, url))


async def test_progress_is_reported_in_order_with_everything_twilio_sends(world: World) -> None:
    """Each requested event once, numbered from 0, the last with what was billed."""
    customer, simulator = world
    await simulator.dial(Twiml=HANG_UP, StatusCallback=f"{PUBLIC}/status", StatusCallbackEvent=ALL)
    last = await customer.request("/status", CallStatus="completed")
    reported = sorted(customer.requests, key=lambda received: int(received["SequenceNumber"]))
    assert [received["CallStatus"] for received in reported] == ["initiated", "ringing", "in-progress", "completed"]
    assert [received["SequenceNumber"] for received in reported] == ["0", "1", "2", "3"]
    assert all(received["CallbackSource"] == "call-progress-events" for received in reported)
    assert len({received.headers["I-Twilio-Idempotency-Token"] for received in reported}) == 4
    assert (last["CallDuration"], last["Duration"], last["SipResponseCode"]) == ("1", "1", "200")


async def test_only_the_end_is_reported_by_default(world: World) -> None:
    """Twilio's default is `completed` alone; a busy callee is an end too."""
    customer, simulator = world
    await simulator.persona({"busy": True})
    sid = await simulator.dial(Twiml=HANG_UP, StatusCallback=f"{PUBLIC}/status")
    reported = await customer.request("/status", CallStatus="busy")
    assert (reported["SequenceNumber"], reported["CallDuration"], reported["SipResponseCode"]) == ("0", "0", "486")
    assert len(await simulator.webhooks(sid)) == 1


async def test_a_get_callback_carries_its_fields_in_the_signed_query(world: World) -> None:
    """StatusCallbackMethod=GET: nothing in the body, and the signature covers the URL with its query."""
    customer, simulator = world
    sid = await simulator.dial(Twiml=HANG_UP, StatusCallback=f"{PUBLIC}/status", StatusCallbackMethod="GET")
    reported = await customer.request("/status", CallStatus="completed")
    sent = (await simulator.webhooks(sid))[0]
    assert (reported.method, reported.body) == ("GET", b"")
    assert RequestValidator(TOKEN).validate(sent["url"], {}, reported.headers["X-Twilio-Signature"])


async def test_a_retry_is_the_same_request_byte_for_byte(world: World) -> None:
    """Body, signature and idempotency token do not change; only so can a receiver recognise it."""
    customer, simulator = world
    customer.page("/status", web.Response(status=503), web.Response(status=503), web.Response(status=200))
    sid = await simulator.dial(Twiml=HANG_UP, StatusCallback=f"{PUBLIC}/status#rc=3&rp=5xx")
    await customer.request("/status")
    await simulator.line("webhook", call_sid=sid, status=200)
    first, *others = customer.requests
    assert len(others) == 2
    for retry in others:
        assert retry.body == first.body
        for header in ("X-Twilio-Signature", "I-Twilio-Idempotency-Token", "Content-Type"):
            assert retry.headers[header] == first.headers[header]
    assert [line["attempt"] for line in await simulator.webhooks(sid)] == [1, 2, 3]


async def test_by_default_a_refused_connection_is_tried_once_more_and_a_500_is_not(world: World) -> None:
    """rc=1, rp=ct: what Twilio does to who configured nothing."""
    customer, simulator = world
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/status"
        sid = await simulator.dial(Twiml=HANG_UP, StatusCallback=url)
        await simulator.line("webhook", call_sid=sid, attempt=2)
    assert [(line["error"], line["failure"]) for line in await simulator.webhooks(sid)] == [(11205, "ct")] * 2

    customer.page("/broken", web.Response(status=500))
    sid = await simulator.dial(Url=f"{PUBLIC}/broken")
    report = await simulator.ended(sid)
    assert [(line["status"], line["error"]) for line in await simulator.webhooks(sid)] == [(500, 11200)]
    assert report["ended_by"] == "error"
    assert [said["text"] for said in report["heard"]] == ["An application error has occurred. Goodbye."]


async def test_an_answer_that_comes_too_late_is_a_failed_fetch(world: World) -> None:
    """`rt` bounds the wait for an answer; without `rp=rt` the call goes to its fallback at once."""
    customer, simulator = world
    release = asyncio.Event()

    async def never(_: Received) -> web.Response:
        await release.wait()
        return web.Response()

    customer.pages["/slow"] = never
    customer.page("/fallback", HANG_UP)
    await simulator.dial(Url=f"{PUBLIC}/slow#rt=200", FallbackUrl=f"{PUBLIC}/fallback")
    reported = await customer.request("/fallback")
    release.set()
    assert (reported["ErrorCode"], reported["ErrorUrl"]) == ("11200", f"{PUBLIC}/slow#rt=200")


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("https://x/y", DEFAULT),
        ("https://x/y#rc=0", replace(DEFAULT, attempts=1)),
        (
            "https://x/y#rc=9&rp=5xx,rt&ct=1&rt=99999&e=dublin",
            replace(DEFAULT, attempts=6, on=frozenset({"5xx", "rt"}), connect_s=0.1, read_s=15.0),
        ),
        ("https://x/y#rc=two&tt=2000", replace(DEFAULT, total_s=2.0)),
    ],
)
def test_a_fragment_is_a_policy_and_never_part_of_the_request(url: str, policy: RetryPolicy) -> None:
    """Clamped into Twilio's ranges; what it does not know it ignores."""
    assert retry_policy(url) == ("https://x/y", policy)


@pytest.mark.parametrize("copies", [2, 3])
async def test_webhooks_come_several_times_when_asked(world: World, copies: int) -> None:
    """Duplicates are identical: nothing in them marks the first."""
    customer, simulator = world
    await simulator.sim("POST", "misbehave", {"where": "webhook", "do": "duplicate", "copies": copies, "within_ms": 30})
    sid = await simulator.dial(Twiml=HANG_UP, StatusCallback=f"{PUBLIC}/status")
    await simulator.ended(sid)
    for _ in range(copies):
        await simulator.line("webhook", call_sid=sid)
    while len(customer.requests) < copies:
        await simulator.line("webhook", call_sid=sid)
    assert len(customer.requests) == copies
    assert len({(r.body, r.headers["I-Twilio-Idempotency-Token"]) for r in customer.requests}) == 1


async def test_webhooks_overtake_each_other_come_late_or_never_when_asked(world: World) -> None:
    """Three calls, three misdeliveries of one event: `ringing` after `answered`, 300 ms late, and not at all."""
    customer, simulator = world
    orders = {}
    for do in ("reorder", "late", "never"):
        rule = {"where": "webhook", "do": do, "ms": 300, "match": {"CallStatus": "^ringing$"}}
        await simulator.sim("POST", "misbehave", rule)
        path = f"/{do}"
        sid = await simulator.dial(
            Twiml=twiml('<Pause length="1"/>'), StatusCallback=PUBLIC + path, StatusCallbackEvent=ALL
        )
        await simulator.ended(sid)
        await customer.request(path, CallStatus="completed")
        orders[do] = [r["CallStatus"] for r in customer.requests if r.path == path]
    assert orders == {
        "reorder": ["initiated", "in-progress", "ringing", "completed"],
        "late": ["initiated", "in-progress", "ringing", "completed"],
        "never": ["initiated", "in-progress", "completed"],
    }


async def test_a_load_balancer_sends_webhooks_to_who_is_alive(world: World) -> None:
    """Several targets behind one public name: a dead one costs no call and no retry."""
    customer, simulator = world
    alive = (await simulator.sim("GET", "health"))["public_map"][PUBLIC][0]
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        await simulator.sim("POST", "public-map", {PUBLIC: f"http://127.0.0.1:{dead.getsockname()[1]},{alive}"})
        for number in range(4):
            await simulator.dial(Twiml=HANG_UP, StatusCallback=f"{PUBLIC}/status/{number}")
            reported = await customer.request(f"/status/{number}")
            assert genuine(reported)
            sid = reported["CallSid"]
            assert [line["attempt"] for line in await simulator.webhooks(sid)] == [1]
