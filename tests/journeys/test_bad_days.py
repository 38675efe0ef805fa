"""The network repeats, reorders and breaks; the conversation does not."""

import pytest

from tests.journeys.stage import GREETING, Stage, lines, said_by_us, texts
from voicecall.call.phrases import ENGLISH

pytestmark = pytest.mark.asyncio(loop_scope="package")

STORY = "There was a king who had a daughter, and she had a ball of gold that fell into the well."


async def test_every_webhook_three_times_in_any_order_is_still_one_conversation(stage: Stage) -> None:
    """Each is delivered thrice within half a second, so copies of one overtake the next (guarantee P18)."""
    await stage.carrier_fails(where="webhook", do="duplicate", copies=3, within_ms=500, times=1000)
    await stage.model(weather="It is raining.")
    to = await stage.person(
        {"answer_after_ms": 300},
        {"wait_heard": GREETING},
        {"say": "how is the weather"},
        {"wait_heard": "raining"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    assert texts(leg) == [GREETING, "It is raining."]
    assert lines(record) == [("bot", GREETING), ("user", "how is the weather"), ("bot", "It is raining.")]
    assert (record["state"], record["metadata"]["turnCount"]) == ("completed", 1)
    assert len([stream for stream in leg["streams"] if stream["opened_at"]]) == 1
    assert len(await stage.dials(to)) == 1
    assert (await stage.ledger())["struck"]["webhook.duplicate"] >= 4


async def test_a_caller_whose_webhooks_come_three_times_is_let_in_once(stage: Stage) -> None:
    await stage.carrier_fails(where="webhook", do="duplicate", copies=3, within_ms=300, times=1000)
    sid = await stage.ring_us({"wait_heard": "help you"}, {"hangup": True})
    record, leg = await stage.over(sid), await stage.leg(sid)
    assert texts(leg) == ["Hello! How can I help you today?"]
    assert (record["state"], len(leg["streams"])) == ("completed", 1)


async def test_a_webhook_that_overtakes_another_changes_nothing(stage: Stage) -> None:
    """Ringing after the answer, the start after the end: a state never goes back."""
    await stage.carrier_fails(where="webhook", do="reorder", times=1, match={"CallStatus": "ringing"})
    await stage.carrier_fails(where="webhook", do="late", ms=4000, times=1, match={"CallStatus": "initiated"})
    to = await stage.person({"wait_heard": GREETING}, {"hangup": True})
    call = await stage.dial(to)
    record = await stage.over(call)
    assert texts(await stage.leg(record)) == [GREETING]
    assert (await stage.record(call))["state"] == "completed"


async def test_a_media_socket_cut_off_comes_back_and_the_conversation_goes_on(stage: Stage) -> None:
    """The carrier runs the `<Redirect>` after `<Connect>`: a new socket with a new token carries the rest."""
    await stage.model(story=STORY, thanks="You are welcome.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"wait_heard": "into the well", "within_ms": 15_000},
        {"say": "thanks a lot"},
        {"wait_heard": "welcome"},
        {"hangup": True},
    )
    await stage.carrier_fails(where="stream", do="cut", ms=3500, clean=False, match={"To": to.replace("+", ".")})
    record = await stage.over(await stage.dial(to), within_s=40)
    leg = await stage.leg(record)
    heard = texts(leg)
    assert heard[0] == GREETING
    assert STORY.startswith(heard[1].rstrip("\ufffd"))
    assert heard[2] == ENGLISH.cut_off
    assert STORY.endswith(heard[3])
    assert heard[4:] == ["You are welcome."]
    first, second = leg["streams"]
    assert (first["ended_by"], second["ended_by"]) == ("fault", "call")
    assert first["parameters"]["token"] != second["parameters"]["token"]
    assert said_by_us(record)[-1] == "You are welcome."
    assert record["state"] == "completed"
    assert len(await stage.dials(to)) == 1
    assert [error.get("code") for error in await stage.mistakes()] == [31921]  # the cut itself, and nothing else


async def test_a_caller_who_speaks_while_stt_is_lost_is_informed_and_answered_afterwards(stage: Stage) -> None:
    """The session breaks, and its first reconnection is refused: three seconds, in which the caller is informed."""
    await stage.model(weather="It is raining.")
    await stage.services_fail(
        {"where": "realtime", "times": 1, "do": {"drop_after_appends": 10}},
        {"where": "realtime", "times": 1, "do": {"status": 503}},
    )
    to = await stage.person(
        {"wait_heard": "cannot hear you"},
        {"say": "how is the weather"},
        {"wait_heard": "raining"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    heard = texts(await stage.leg(record))
    assert heard[:2] == [GREETING, ENGLISH.stt_lost]
    assert heard[-1] == "It is raining."
    assert ("user", "how is the weather") in lines(record)
    assert (record["state"], said_by_us(record).count(ENGLISH.stt_lost)) == ("completed", 1)
