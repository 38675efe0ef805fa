"""Outbound calls: what is said is heard, and one request is one phone call, whatever the carrier does."""

import asyncio

import pytest

from simulators.stack.clients import RpcError
from tests.journeys.stage import GREETING, Stage, lines, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")

NOTICE = "Your table for two is ready."


async def test_a_notice_is_heard_once_and_whole_and_then_we_hang_up(stage: Stage) -> None:
    """The hang-up waits for the audio to end at the callee, and for the configured second after."""
    to = await stage.person()
    record = await stage.over(await stage.dial(to, NOTICE, mode="notify"))
    leg = await stage.leg(record)
    assert [(heard["text"], heard["complete"]) for heard in leg["heard"]] == [(NOTICE, True)]
    assert (record["endReason"], leg["ended_by"]) == ("hangup-bot", "api")
    assert leg["ended_at"] - leg["heard"][0]["end_at"] >= 0.9
    assert lines(record) == [("bot", NOTICE)]
    assert len(await stage.dials(to)) == 1


async def test_a_conversation_has_turns(stage: Stage) -> None:
    """Greeting, two questions, two answers, and the callee hangs up: the transcript is what was said."""
    await stage.model(weather="It is raining.", tomorrow="It will snow.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "how is the weather"},
        {"wait_heard": "raining"},
        {"say": "and tomorrow"},
        {"wait_heard": "snow"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    assert texts(leg) == [GREETING, "It is raining.", "It will snow."]
    assert lines(record) == [
        ("bot", GREETING),
        ("user", "how is the weather"),
        ("bot", "It is raining."),
        ("user", "and tomorrow"),
        ("bot", "It will snow."),
    ]
    assert (record["state"], record["metadata"]["turnCount"]) == ("completed", 2)
    assert (leg["ended_by"], len(leg["streams"])) == ("callee", 1)
    assert len(await stage.dials(to)) == 1


@pytest.mark.parametrize(
    ("how", "reason"), [("busy", "busy"), ("no_answer", "no-answer"), ("failed", "failed")], ids=str
)
async def test_an_unanswered_call_ends_with_the_carriers_reason(stage: Stage, how: str, reason: str) -> None:
    await stage.carrier_fails(where="rest", do="slow", ms=1, when="after")  # the end may overtake the dial
    to = await stage.person({how: True})
    record = await stage.record(await stage.dial(to, NOTICE, mode="notify"))
    if how == "no_answer":
        await stage.stack.twilio.post(f"/_sim/hangup/{record['providerCallId']}", None)
        assert (await stage.over(record["callId"]))["endReason"] == "hangup-bot"  # canceled before it was answered
    else:
        assert (await stage.over(record["callId"]))["endReason"] == reason
    assert (await stage.leg(record))["billed_seconds"] == 0


async def test_at_the_limit_a_dial_is_refused_and_callers_are_answered(stage: Stage) -> None:
    """Eight slots: the ninth call is not dialled, a caller is answered, and a slot that is free again is used (A29)."""
    ringing = [await stage.person({"answer_after_ms": 60_000}) for _ in range(8)]
    calls = await asyncio.gather(*(stage.dial(to) for to in ringing))
    one_more = await stage.person()
    with pytest.raises(RpcError, match="Maximum concurrent calls") as refused:
        await stage.dial(one_more)
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    assert await stage.dials(one_more) == []
    caller = await stage.leg(await stage.ring_us({"hangup": True}))
    assert caller["status"] == "completed"
    await stage.stack.gateway.rpc("voicecall.end", callId=calls[0])
    record = await stage.over(await stage.dial(one_more, NOTICE, mode="notify"))
    assert texts(await stage.leg(record)) == [NOTICE]


async def test_one_idempotency_key_makes_one_call(stage: Stage) -> None:
    """Five requests at once, and one after the call: each gets the first one's call."""
    to = await stage.person({"wait_heard": GREETING}, {"hangup": True})
    calls = await asyncio.gather(*(stage.dial(to, idempotencyKey="order 66") for _ in range(5)))
    await stage.over(calls[0])
    again = await stage.dial(to, idempotencyKey="order 66")
    assert {*calls, again} == {calls[0]}
    assert len(await stage.dials(to)) == 1


async def test_one_idempotency_key_is_no_second_order(stage: Stage) -> None:
    """The same key with another text is an error of the API client; no phone rings."""
    to = await stage.person({"wait_heard": GREETING}, {"hangup": True})
    await stage.over(await stage.dial(to, idempotencyKey="order 67"))
    with pytest.raises(RpcError) as refused:
        await stage.dial(to, "Something else.", idempotencyKey="order 67")
    assert refused.value.code == "CONFLICT"
    assert len(await stage.dials(to)) == 1


async def test_a_dial_whose_answer_is_lost_is_not_dialled_again(stage: Stage) -> None:
    """The carrier acts and then says 500: its first webhook reports the call, which goes on."""
    await stage.model(anyone="Yes, I am.")
    to = await stage.person(
        {"wait_heard": GREETING}, {"say": "is there anyone"}, {"wait_heard": "I am"}, {"hangup": True}
    )
    await stage.carrier_fails(where="rest", do="status", status=500, when="after", match={"op": "create"})
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    assert texts(leg) == [GREETING, "Yes, I am."]
    assert [call["sid"] for call in await stage.dials(to)] == [leg["sid"]]


async def test_a_lost_dial_is_found_by_asking(stage: Stage) -> None:
    """Without any webhook the carrier's list names the call; the request need not wait for an answer of the callee."""
    to = await stage.person({"answer_after_ms": 4000}, {"wait_heard": NOTICE})
    await stage.carrier_fails(where="rest", do="cut", when="after", match={"op": "create"})
    await stage.carrier_fails(where="webhook", do="never", times=2, match={"CallStatus": "initiated|ringing"})
    call = await stage.dial(to, NOTICE, mode="notify")
    assert (await stage.dials(to))[0]["answered_at"] is None
    record = await stage.over(call)
    assert texts(await stage.leg(record)) == [NOTICE]
    asked = [request["op"] for request in (await stage.ledger())["requests"]]
    assert "list" in asked
    assert len(await stage.dials(to)) == 1
