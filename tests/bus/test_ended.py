"""Ended calls: due until archived, whole until then, and forgotten completely on request."""

import pytest
from redis.asyncio import Redis

from tests.bus.calls import ALICE, keyed, new_call, ringing, step, taken
from tests.fakes.keys import keys
from voicecall.bus.ended import ArchiveClaim, ArchiveResult, EndedCalls, ForgetResult
from voicecall.bus.feed.follower import recent
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import Billed
from voicecall.call.ids import CallId, Seq
from voicecall.call.state import Phase
from voicecall.ports import Lease


@pytest.fixture
def log(redis: Redis) -> RedisCallLog:
    return RedisCallLog(redis, after_s=0.0)


@pytest.fixture
def ended(redis: Redis) -> EndedCalls:
    return EndedCalls(redis)


async def live(redis: Redis, log: RedisCallLog) -> Lease:
    """A call with an owner; its log has one event."""
    call = new_call()
    await log.post(call, (ringing(),), request_key="first", answer=b"first answer")
    lease = taken(await RedisLeases(redis).acquire(call, ALICE)).lease
    fresh = await log.history(call)
    await log.commit(step(lease, 1, fresh=fresh))
    return lease


async def over(redis: Redis, log: RedisCallLog) -> CallId:
    lease = await live(redis, log)
    await log.commit(step(lease, 1, phase=Phase.COMPLETED))
    return lease.call


async def test_a_call_is_due_from_the_commit_that_ends_it(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """Whatever dies next; and it is returned to one process at a time."""
    other = await live(redis, log)
    call = await over(redis, log)
    assert await ended.due(10) == (call,)
    assert await ended.due(10) == ()
    assert other.call not in await ended.list()


async def test_it_is_due_only_some_time_after_the_end(redis: Redis) -> None:
    """The job that was enqueued at the end nearly always does it first."""
    await over(redis, RedisCallLog(redis, after_s=60.0))
    assert await EndedCalls(redis).due(10) == ()


async def test_a_claimed_call_is_not_due_and_the_first_claim_is_marked(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    """A job's next attempt comes before the sweeper's; the summary is written once."""
    call = await over(redis, log)
    assert await ended.begin(call) == ArchiveClaim(first=True, forget=False)
    assert await ended.begin(call) == ArchiveClaim(first=False, forget=False)
    assert await ended.due(10) == ()


async def test_while_it_waits_for_its_archive_nothing_of_it_expires(redis: Redis) -> None:
    """Each claim starts its retention anew, so that a long outage loses nothing."""
    call = await over(redis, RedisCallLog(redis, retention_s=5.0))
    assert await redis.pttl(keys.state(call)) <= 5_000
    await EndedCalls(redis, retention_s=50.0).begin(call)
    assert min([await redis.pttl(name) for name in (keys.state(call), keys.log(call), keys.seen(call))]) > 40_000


async def test_an_archived_call_is_no_longer_due(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    call = await over(redis, log)
    assert await ended.done(call, await ended.length(call), keep_s=60.0) is ArchiveResult.KEPT
    assert await ended.due(10) == ()
    assert await ended.list() == (call,)
    assert await log.read(call) is not None


async def test_events_that_came_while_it_was_archived_make_it_due_again(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    """It is not known whether the archive has them."""
    call = await over(redis, log)
    events = await ended.length(call)
    await log.post(call, (Billed(price="0.01"),))
    assert await ended.done(call, events, keep_s=60.0) is ArchiveResult.AGAIN
    assert await ended.due(10) == (call,)


async def test_a_bill_that_comes_late_is_archived_too(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """Telnyx reports the cost after the end; other late events change nothing in the archive."""
    call = await over(redis, log)
    await ended.done(call, await ended.length(call), keep_s=60.0)
    await log.post(call, (keyed("1"),))
    assert await ended.due(10) == ()
    await log.post(call, (Billed(price="0.01"),))
    assert await ended.due(10) == (call,)


async def test_a_call_that_is_not_over_cannot_be_claimed(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """Nor can a call that does not exist."""
    assert await ended.begin((await live(redis, log)).call) is None
    assert await ended.begin(new_call()) is None


async def test_of_an_evicted_call_only_the_fact_that_it_is_over_stays(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    """The archive has it; the tombstone keeps late or replayed requests from beginning the call anew."""
    call = await over(redis, log)
    await ended.done(call, await ended.length(call), keep_s=0.0)
    assert await ended.evict(10) == 1
    assert await ended.evict(10) == 0
    assert (await log.read(call), await log.history(call)) == (None, ())
    assert await log.phase(call) is Phase.COMPLETED
    assert (await log.post(call, (keyed("1"),))).over


async def test_a_call_is_not_evicted_early(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    call = await over(redis, log)
    await ended.done(call, await ended.length(call), keep_s=60.0)
    assert await ended.evict(10) == 0
    assert await log.read(call) is not None


async def test_a_forgotten_call_is_gone_from_log_snapshot_feed_and_dead_letters(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    """And from the stored answers; another call loses nothing."""
    call, other = await over(redis, log), await over(redis, log)
    await redis.xadd(keys.dead, {"call": call, "bytes": b"words"})
    await redis.xadd(keys.dead, {"call": other, "bytes": b"words"})
    assert await ended.forget(call) == {call: ForgetResult.GONE}
    assert (await log.read(call), await log.history(call)) == (None, ())
    assert {item.call for item in (await recent(redis, 100))[0]} == {other}
    assert [fields[b"call"].decode() for _, fields in await redis.xrange(keys.dead)] == [other]
    assert b"first answer" not in (await redis.hvals(keys.seen(call)))[0]
    assert await ended.list() == (other,)
    assert await ended.forget(call) == {call: ForgetResult.UNKNOWN}


async def test_a_replayed_request_does_not_bring_a_forgotten_call_back(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    """Its digest stays, without the answer (attack 15)."""
    call = await over(redis, log)
    await ended.forget(call)
    posted = await log.post(call, (ringing(),), request_key="first")
    assert (posted.replay, posted.over, posted.answer) == (True, True, None)
    assert not (await log.post(call, (Billed(price="1"),), request_key="second")).replay
    assert await ended.due(10) == ()
    # A job may have died between writing the archive and `done`: its repetition deletes the record again.
    assert await ended.begin(call) == ArchiveClaim(first=False, forget=True)


async def test_events_after_it_was_forgotten_are_not_kept(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """A carrier's late callback, and the answer to it, may quote the conversation."""
    call = await over(redis, log)
    await ended.forget(call)
    late = await log.post(call, (keyed("1234"),), request_key="late", answer=b"first answer")
    assert late.over
    assert await redis.exists(keys.log(call)) == 0
    assert b"first answer" not in b"".join(await redis.hvals(keys.seen(call)))
    assert (await log.post(call, (keyed("1234"),), request_key="late")).replay


async def test_an_evicted_call_stays_in_the_archive(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """It was archived and evicted while a late bill was archived: no request asked to forget it."""
    call = await over(redis, log)
    await ended.done(call, await ended.length(call), keep_s=0.0)
    await log.post(call, (Billed(price="0.01"),))
    begun = await ended.begin(call)
    assert begun is not None
    assert not begun.forget
    assert await ended.evict(10) == 1
    assert await ended.done(call, 3, keep_s=60.0) is ArchiveResult.KEPT
    assert await ended.list() == ()
    assert await ended.begin(call) is None
    await ended.forget(call)
    assert await ended.begin(call) == ArchiveClaim(first=False, forget=True)


async def test_it_is_known_since_when_a_snapshot_cannot_be_read(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    call = await over(redis, log)
    await redis.hset(keys.state(call), "snapshot", b"another build's")
    first = await ended.unreadable(call)
    assert first is not None
    assert (first.since_s, first.snapshot) == (0.0, b"another build's")
    await redis.hincrby(keys.state(call), "unread", -5_000)
    again = await ended.unreadable(call)
    assert again is not None
    assert again.since_s >= 5.0
    await ended.forget(call)
    assert await ended.unreadable(call) is None


async def test_a_live_call_is_marked_and_forgotten_at_its_end(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    """It continues; the claim after its end says that it is to be forgotten."""
    lease = await live(redis, log)
    assert await ended.forget(lease.call) == {lease.call: ForgetResult.LIVE}
    assert await log.read(lease.call) is not None
    await log.commit(step(lease, 1, phase=Phase.COMPLETED))
    assert await ended.begin(lease.call) == ArchiveClaim(first=True, forget=True)


async def test_an_unknown_call_cannot_be_forgotten(ended: EndedCalls) -> None:
    """And the request leaves no key."""
    call = new_call()
    assert await ended.forget(call) == {call: ForgetResult.UNKNOWN}
    assert await ended.begin(call) is None


async def test_a_job_learns_that_a_call_was_forgotten_while_it_was_archived(
    redis: Redis, log: RedisCallLog, ended: EndedCalls
) -> None:
    """It read the call before and wrote it after, so it must delete the record again."""
    call = await over(redis, log)
    events = await ended.length(call)
    await ended.forget(call)
    assert await ended.done(call, events, keep_s=60.0) is ArchiveResult.FORGOTTEN
    assert await ended.list() == ()


async def test_old_feed_items_are_deleted(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """They quote the conversation; newer ones stay."""
    await over(redis, log)
    await ended.trim_feed(3_600.0)
    assert len((await recent(redis, 100))[0]) == 2
    await ended.trim_feed(-1.0)
    assert (await recent(redis, 100))[0] == ()


async def test_a_periodic_task_is_run_by_one_node(ended: EndedCalls) -> None:
    assert await ended.elected("tidy", 60.0)
    assert not await ended.elected("tidy", 60.0)
    assert await ended.elected("other", 60.0)


async def test_the_commit_that_ends_may_be_repeated(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """When its reply was lost: the call is due once."""
    lease = await live(redis, log)
    last = step(lease, 1, phase=Phase.COMPLETED)
    await log.commit(last)
    await log.commit(last)
    assert await ended.due(10) == (lease.call,)
    assert await log.history(lease.call, Seq(1)) == ()


async def test_a_trace_is_exported_by_one_job(redis: Redis, log: RedisCallLog, ended: EndedCalls) -> None:
    """The call may be archived again, as when its bill comes late; and a call that is gone leaves nothing behind."""
    call = await over(redis, log)
    assert [await ended.trace_once(call) for _ in range(3)] == [True, False, False]
    gone = new_call()
    assert not await ended.trace_once(gone)
    assert not await redis.exists(keys.state(gone))
