"""The feed: every follower sees every commit once, in order, although pub/sub loses messages."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from tests.bus.calls import ALICE, keyed, new_call, ringing, running, step, taken
from tests.fakes.keys import keys
from voicecall.bus.feed.feed import Feed, FeedEntry, FeedTrimmed
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import PlaybackBegan
from voicecall.call.ids import CallId, RequestId
from voicecall.call.state import Phase, RequestResult, TurnStats
from voicecall.ports import Lease


class Story:
    """A call whose owner commits one key press after the other."""

    def __init__(self, log: RedisCallLog, lease: Lease, applied: int) -> None:
        self.log, self.lease, self.applied, self.keys = log, lease, applied, 0

    @classmethod
    async def begin(cls, redis: Redis, call: CallId | None = None) -> "Story":
        log, call = RedisCallLog(redis), call or new_call()
        await log.post(call, (ringing(),))
        return cls(log, taken(await RedisLeases(redis).acquire(call, ALICE)).lease, 1)

    async def press(self, count: int = 1, *answers: RequestResult, phase: Phase = Phase.ACTIVE) -> None:
        for _ in range(count):
            commit = step(self.lease, self.applied, keyed(str(self.keys)), resolved=answers, phase=phase)
            self.applied = (await self.log.commit(commit)).applied
            self.keys += 1


class Lossy(Feed):
    """Ignores and counts what is published while `ignoring`."""

    ignoring = False
    lost = 0

    def __init__(self, redis: Redis, *, look_s: float) -> None:
        super().__init__(redis, look_s=look_s)
        self.missed = asyncio.Event()

    def _on_message(self, data: bytes) -> None:
        if self.ignoring:
            self.lost += 1
            if self.lost == 40:
                self.missed.set()
        else:
            super()._on_message(data)


async def first(items: AsyncIterator[FeedEntry], count: int) -> list[FeedEntry]:
    return [await anext(items) for _ in range(count)]


def pressed(items: list[FeedEntry]) -> list[str]:
    return [record.event.digits for item in items for record in item.records]


async def test_a_follower_sees_each_commit_whole(redis: Redis) -> None:
    """The posted events, the call's own, its phase and its answers are in one item."""
    story, feed = await Story.begin(redis), Feed(redis)
    answer = RequestResult(request=RequestId("r1"), ok=True, text="hello")
    async with running(feed.run()):
        await feed.ready()
        items = feed.follow()
        fresh = await story.log.history(story.lease.call)
        await story.log.commit(
            step(story.lease, 1, keyed("7"), fresh=fresh, phase=Phase.LISTENING, resolved=(answer,)),
        )
        item = await anext(items)
    assert item.call == story.lease.call
    assert (item.phase, item.answers) == (Phase.LISTENING, (answer,))
    assert item.records == await story.log.history(story.lease.call)


async def test_the_beginning_of_a_reply_says_what_the_wait_for_it_was_made_of(redis: Redis) -> None:
    """In the feed, not in the log: the state at the commit has it. An utterance that ended no wait says nothing."""
    story = await Story.begin(redis)
    feed = Feed(redis)
    running_feed = asyncio.create_task(feed.run())
    await feed.ready()
    items = feed.follow()
    commit = step(story.lease, story.applied, PlaybackBegan(utterance=3), PlaybackBegan(utterance=4))
    stats = TurnStats(last_turn_spans={"playout": 20}, last_turn_tools=("look_up",), last_reply=3)
    await story.log.commit(replace(commit, call=replace(commit.call, stats=stats)))

    (item,) = await first(items, 1)

    began = [record.event for record in item.records if isinstance(record.event, PlaybackBegan)]
    assert [(event.spans, event.tools) for event in began] == [({"playout": 20}, ("look_up",)), (None, None)]
    kept = [record.event for record in await story.log.history(story.lease.call)]
    assert all(event.spans is None for event in kept if isinstance(event, PlaybackBegan))
    running_feed.cancel()
    await asyncio.gather(running_feed, return_exceptions=True)


async def test_catching_up_and_listening_join_without_gap_or_duplicate(redis: Redis) -> None:
    """A client that reconnects with its last id misses nothing."""
    story, feed = await Story.begin(redis), Feed(redis)
    await story.press(5)
    async with running(feed.run()):
        await feed.ready()
        earlier = await first(feed.follow("0-0"), 2)
        items = feed.follow(earlier[-1].id)
        await story.press(5)
        rest = await first(items, 8)
        assert pressed(earlier + rest) == [str(n) for n in range(10)]
        assert all(earlier.id != later.id for earlier, later in pairwise(earlier + rest))
        await story.press(1)
        assert pressed(await first(items, 1)) == ["10"]


async def test_a_follower_of_one_call_gets_no_other(redis: Redis) -> None:
    """Also while it catches up."""
    mine, other, feed = await Story.begin(redis), await Story.begin(redis), Feed(redis)
    await mine.press()
    await other.press(3)
    async with running(feed.run()):
        await feed.ready()
        items = feed.follow("0-0", mine.lease.call)
        await other.press(3)
        await mine.press()
        got = await first(items, 2)
    assert {item.call for item in got} == {mine.lease.call}
    assert pressed(got) == ["0", "1"]


async def test_a_follower_that_asked_before_the_feed_was_up_starts_with_it(redis: Redis) -> None:
    """Nothing from before, everything from then on."""
    story, feed = await Story.begin(redis), Feed(redis)
    await story.press()
    items = feed.follow()
    async with running(feed.run()):
        await feed.ready()
        await story.press(2)
        assert pressed(await first(items, 2)) == ["1", "2"]


async def test_what_has_no_reader_is_not_missing_to_a_later_one(redis: Redis) -> None:
    """Nothing from before, everything from then on; also after a second in which the newest id was only looked up."""
    story, feed = await Story.begin(redis), Feed(redis)
    async with running(feed.run()):
        await feed.ready()
        for number, pause_s in enumerate((0.1, 1.2, 0.1)):
            await story.press(4)
            await asyncio.sleep(pause_s)
            items = feed.follow()
            await story.press(2)
            assert pressed(await first(items, 2)) == [str(6 * number + 4), str(6 * number + 5)]
            del items


async def test_lost_messages_leave_no_gap(redis: Redis) -> None:
    """The next message shows the gap, and the stream fills it."""
    story, feed = await Story.begin(redis), Lossy(redis, look_s=3600)
    async with running(feed.run()):
        await feed.ready()
        items = feed.follow()
        await story.press(2)
        assert pressed(await first(items, 2)) == ["0", "1"]
        feed.ignoring = True
        await story.press(40)
        await feed.missed.wait()
        feed.ignoring = False
        await story.press(1)
        assert pressed(await first(items, 41)) == [str(n) for n in range(2, 43)]


async def test_a_lost_last_message_is_found_by_looking(redis: Redis) -> None:
    """No later message shows this gap."""
    story, feed = await Story.begin(redis), Lossy(redis, look_s=0.02)
    async with running(feed.run()):
        await feed.ready()
        items = feed.follow()
        feed.ignoring = True
        await story.press(3)
        assert pressed(await first(items, 3)) == ["0", "1", "2"]


async def test_a_cut_subscription_leaves_no_gap(connect_real) -> None:
    """Commits made while the socket was down come from the stream."""
    redis = connect_real()
    story, feed = await Story.begin(redis), Feed(connect_real(), look_s=3600)
    async with running(feed.run()):
        await feed.ready()
        items = feed.follow()
        for _ in range(5):
            await redis.client_kill_filter(_type="pubsub")
            await story.press(4)
        assert pressed(await first(items, 20)) == [str(n) for n in range(20)]


async def test_a_slow_follower_loses_nothing_and_delays_no_other(redis: Redis) -> None:
    """It reads from the stream what does not fit its queue."""
    story, feed = await Story.begin(redis), Feed(redis)
    async with running(feed.run()):
        await feed.ready()
        slow, quick = feed.follow(), feed.follow()
        await story.press(1_300)
        assert pressed(await first(quick, 1_300)) == [str(n) for n in range(1_300)]
        assert pressed(await first(slow, 1_300)) == [str(n) for n in range(1_300)]


async def test_items_no_longer_kept_raise_feed_trimmed(redis: Redis) -> None:
    """`FeedTrimmed` instead of a silent gap: the reader fetches the calls and follows from now on."""
    story, feed = await Story.begin(redis), Feed(redis)
    async with running(feed.run()):
        await feed.ready()
        oldest = feed.follow()
        await story.press(3)
        earlier = await first(oldest, 1)
        await redis.xtrim(keys.feed, maxlen=1, approximate=False)
        with pytest.raises(FeedTrimmed):
            await anext(feed.follow(earlier[0].id))


async def test_foreign_messages_on_the_channel_are_ignored(redis: Redis) -> None:
    """Bytes that are no item do not disturb the order."""
    story, feed = await Story.begin(redis), Feed(redis, look_s=3600)
    async with running(feed.run()):
        await feed.ready()
        items = feed.follow()
        for junk in (b"", b"\n", b"a b c d\n", b"0-0 9-9 not-a-call 1.0\n"):
            await redis.publish(keys.feed, junk)
        await redis.xadd(keys.feed, {"c": story.lease.call, "t": "1.0", "d": b"\xc1"})
        await story.press(2)
        assert pressed(await first(items, 2)) == ["0", "1"]


async def test_an_answer_comes_from_the_feed(redis: Redis) -> None:
    """An API request gets its own answer at once."""
    story, feed = await Story.begin(redis), Feed(redis, look_s=3600)
    requests = [RequestId(f"r{n}") for n in range(20)]
    async with running(feed.run()):
        await feed.ready()
        waits = [asyncio.create_task(feed.wait_answer(story.lease.call, request, 30.0)) for request in requests]
        await asyncio.sleep(0)
        for request in reversed(requests):
            await story.press(1, RequestResult(request=request, ok=True, text=f"to {request}"))
        answers = await asyncio.gather(*waits)
    assert [answer.text for answer in answers if answer] == [f"to {request}" for request in requests]


async def test_an_answer_given_before_the_wait_is_found(redis: Redis) -> None:
    """The snapshot keeps the newest answers; the feed need not even run."""
    story, feed = await Story.begin(redis), Feed(redis)
    answer = RequestResult(request=RequestId("r1"), ok=False, text="busy")
    await story.press(1, answer)
    assert await feed.wait_answer(story.lease.call, RequestId("r1"), 30.0) == answer


async def test_an_answer_whose_message_was_lost_is_found_by_looking(redis: Redis) -> None:
    """It is read from the snapshot instead (guarantee P19)."""
    story, feed = await Story.begin(redis), Feed(redis, look_s=0.02)
    waiting = asyncio.create_task(feed.wait_answer(story.lease.call, RequestId("r1"), 30.0))
    await asyncio.sleep(0)
    answer = RequestResult(request=RequestId("r1"), ok=True)
    await story.press(1, answer)
    assert await waiting == answer


async def test_no_answer_in_time_is_unknown_not_a_hang(redis: Redis) -> None:
    """The result is None, and nothing of the wait remains."""
    story, feed = await Story.begin(redis), Feed(redis)
    assert await feed.wait_answer(story.lease.call, RequestId("r1"), 0.01) is None
    assert await feed.wait_answer(new_call(), RequestId("r1"), 0.01) is None
    assert not feed._waiting
