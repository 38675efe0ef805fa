"""Reports in Redis: each once, due until settled; and the feed hears of it once."""

import asyncio

from redis.asyncio import Redis

from tests.bus.calls import new_call
from tests.fakes.keys import keys
from voicecall.api.results import FeedEvent
from voicecall.bus.dead import DeadLetters
from voicecall.bus.ended import EndedCalls
from voicecall.bus.feed.follower import recent
from voicecall.bus.reports import LETTER, Reports
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId

REPORT = {"reportId": "report_1", "at": 1}


async def test_of_two_workers_one_makes_the_report_and_the_feed_has_it_once(redis: Redis) -> None:
    call, reports = new_call(), Reports(redis)
    other = {**REPORT, "at": 2}
    kept = await asyncio.gather(reports.put(call, REPORT, "completed", 5.0), reports.put(call, other, "completed", 5.0))
    assert sorted(kept) == [False, True]
    found = await reports.get(call)
    assert found is not None
    assert found.report == (REPORT if kept[0] else other)
    items, _ = await recent(redis, 10, call)
    [record] = items[0].records
    assert FeedEvent.payload_of(record.seq, record.event) == {
        "seq": 0,
        "type": "Reported",
        "at": 5000,
        "report": found.report,
    }
    assert len(items) == 1


async def test_a_call_is_due_once_until_all_is_done(redis: Redis) -> None:
    """Held by the one who takes it, back after the pause it asks for, and gone when it is settled."""
    call, reports = new_call(), Reports(redis)
    await reports.schedule(call, 0)
    await reports.schedule(call, 60)  # a repetition of the job
    assert await reports.due(10, hold_s=60) == (call,)
    assert await reports.due(10, hold_s=60) == ()
    await reports.again(call, 0)
    assert await reports.due(10, hold_s=60) == (call,)
    assert await reports.is_due(call)
    await reports.settled(call)
    await reports.again(call, 0)
    assert await reports.due(10, hold_s=60) == ()


async def test_a_call_that_has_a_report_is_not_due_for_another(redis: Redis) -> None:
    """The job of its end may be repeated, as after a late bill."""
    call, reports = new_call(), Reports(redis)
    await reports.put(call, REPORT, "completed", 5.0)
    await reports.schedule(call, 0)
    assert await reports.waiting() == 0


async def test_a_report_that_is_given_up_is_one_letter_and_can_be_tried_anew(redis: Redis) -> None:
    call, reports, letters = new_call(), Reports(redis), DeadLetters(redis, Scripts(redis))
    await reports.put(call, REPORT, "completed", 5.0)
    assert [await reports.tried(call, 7.0), await reports.tried(call, 9.0)] == [1, 2]
    assert [await reports.give_up(call, "why"), await reports.give_up(call, "why")] == [True, False]
    assert [(letter.call, letter.reason) for letter in await letters.newest(9)] == [(call, f"{LETTER}why")]
    assert await reports.redeliver(call)
    found = await reports.get(call)
    assert found is not None
    assert (found.tries, found.since, found.is_delivered) == (0, None, False)
    assert await reports.due(10, hold_s=60) == (call,)
    assert await reports.give_up(call, "why again")


async def test_nothing_is_left_of_the_report_of_a_forgotten_call(redis: Redis) -> None:
    """What a worker still does with it at this moment writes nothing."""
    call, reports = new_call(), Reports(redis)
    await redis.hset(keys.state(call), mapping={"over": "1"})  # type: ignore[misc]
    await reports.put(call, REPORT, "completed", 5.0)
    await reports.schedule(call, 0)
    await EndedCalls(redis).forget(call)
    assert await reports.tried(call, 7.0) == 0
    await reports.mark(call, "archived")
    assert not await reports.give_up(call, "why")
    assert not await reports.put(call, REPORT, "completed", 5.0)
    assert not await reports.redeliver(call)
    assert await reports.get(call) is None
    assert not await redis.exists(keys.report(call))


async def test_an_unknown_call_has_no_report(redis: Redis) -> None:
    assert await Reports(redis).get(CallId("11111111-2222-4333-8444-555555555555")) is None
