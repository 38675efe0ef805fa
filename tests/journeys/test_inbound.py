"""Inbound calls: who is accepted, who is rejected, and what happens when the caller leaves."""

import pytest

from tests.journeys.stage import STRANGER, Stage, lines, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")

HELLO = "Hello! How can I help you today?"
STORY = "Once upon a time there was a very long story that nobody ever heard to its end, because it had none."


async def test_a_friend_is_let_in_greeted_and_answered(stage: Stage) -> None:
    await stage.model(opening_hours="From nine to eight.")
    sid = await stage.ring_us(
        {"wait_heard": "help you"}, {"say": "your opening hours please"}, {"wait_heard": "nine"}, {"hangup": True}
    )
    record, leg = await stage.over(sid), await stage.leg(sid)
    assert texts(leg) == [HELLO, "From nine to eight."]
    assert lines(record) == [("bot", HELLO), ("user", "your opening hours please"), ("bot", "From nine to eight.")]
    assert (record["direction"], record["state"], leg["ended_by"]) == ("inbound", "completed", "callee")


async def test_a_stranger_is_rejected_before_any_stream_and_never_billed(stage: Stage) -> None:
    """Policy is decided before anything is rendered: `<Reject>` alone, no token, no seconds."""
    sid = await stage.ring_us(number=STRANGER)
    leg = await stage.leg(sid)
    assert (leg["streams"], leg["billed_seconds"], leg["answered_at"]) == ([], 0, None)
    answers = [line["response"] for line in (await stage.ledger())["webhooks"] if line["call_sid"] == sid]
    assert "<Reject" in answers[0]
    assert not any("<Stream" in answer for answer in answers)
    record = await stage.over(sid)
    assert (record["state"], record["transcript"]) == ("hangup-bot", [])


async def test_a_caller_who_leaves_in_the_middle_of_a_reply_ends_the_call(stage: Stage) -> None:
    """The transcript contains the part of the reply that the caller can have heard."""
    await stage.model(story=STORY)
    sid = await stage.ring_us(
        {"wait_heard": "help you"}, {"say": "a story please"}, {"wait_ms": 1700}, {"hangup": True}
    )
    record, leg = await stage.over(sid), await stage.leg(sid)
    heard, (speaker, line) = leg["heard"][-1], lines(record)[-1]
    assert STORY.startswith(heard["text"].rstrip("\ufffd"))
    assert not heard["complete"]
    assert speaker == "bot"
    assert STORY.startswith(line)
    assert abs(len(line) - len(heard["text"])) <= 15
    assert (record["state"], leg["ended_by"]) == ("completed", "callee")
