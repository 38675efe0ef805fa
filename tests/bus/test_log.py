"""The log: posted events are kept once and in order; a commit is written completely or not at all."""

import asyncio
import logging
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from tests.bus.calls import ALICE, BOB, a_call, again, keyed, new_call, ringing, step, taken, woke
from tests.fakes.keys import keys
from voicecall.bus.clock import RedisClock
from voicecall.bus.dead import DeadLetters
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.scripts import Scripts
from voicecall.call.events import DtmfReceived
from voicecall.call.ids import CallId, LegId, Seq
from voicecall.call.state import Phase
from voicecall.errors import Fenced
from voicecall.metrics import REGISTRY
from voicecall.wire import EVENT_VERSION, Undecodable, pack


async def test_posted_events_get_consecutive_places_and_the_servers_time(redis: Redis) -> None:
    """Redis alone numbers and dates events, so processes cannot disagree about the order."""
    log, clock, call = RedisCallLog(redis), RedisClock(redis), new_call()
    await clock.calibrate()
    earliest = clock.now() - 0.01
    first = await log.post(call, (ringing(), keyed("1")))
    second = await log.post(call, (keyed("2"),))
    assert (first.seqs, second.seqs) == ((1, 2), (3,))
    history = await log.history(call)
    assert [record.seq for record in history] == [1, 2, 3]
    assert all(earliest <= record.event.at <= clock.now() + 0.01 for record in history)
    assert [record.seq for record in await log.history(call, Seq(2))] == [3]


async def test_a_replayed_request_gets_its_first_answer_and_adds_nothing(redis: Redis) -> None:
    """Carriers repeat webhooks; a second delivery must not change the call."""
    log, call = RedisCallLog(redis), new_call()
    first = await log.post(call, (ringing(),), request_key="sig-1", answer=b"<Response/>")
    replay = await log.post(call, (ringing(),), request_key="sig-1", answer=b"<Other/>")
    assert (first.replay, replay.replay, replay.answer, replay.seqs) == (False, True, b"<Response/>", ())
    assert len(await log.history(call)) == 1


@pytest.mark.parametrize("answer", [None, b"", b"+", b"-"])
async def test_a_kept_answer_comes_back_exactly(redis: Redis, answer: bytes | None) -> None:
    """An empty body differs from no answer."""
    log, call = RedisCallLog(redis), new_call()
    await log.post(call, (ringing(),), request_key="k", answer=answer)
    assert (await log.post(call, (ringing(),), request_key="k")).answer == answer


async def test_of_many_simultaneous_deliveries_one_is_new(connect_again) -> None:
    """Two ingresses may get the same webhook in the same millisecond."""
    ingresses, call = [RedisCallLog(connect_again()) for _ in range(4)], new_call()
    posted = await asyncio.gather(*(ingress.post(call, (ringing(),), request_key="k") for ingress in ingresses * 10))
    assert sum(not one.replay for one in posted) == 1
    assert len(await ingresses[0].history(call)) == 1


async def test_a_call_without_owner_asks_to_be_rung(redis: Redis) -> None:
    """`owner` is None, also for a replay: the first delivery may have failed before it rang."""
    log, call = RedisCallLog(redis), new_call()
    for _ in range(2):
        posted = await log.post(call, (ringing(),), request_key="k")
        assert (posted.owner, posted.nudged, posted.over) == (None, False, False)


async def test_an_owner_without_a_listener_is_reported(redis: Redis) -> None:
    """A nudge without a receiver means that the owner's process is gone."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    taken(await leases.acquire(call, ALICE))
    posted = await log.post(call, (keyed("1"),))
    assert (posted.owner, posted.nudged) == (ALICE, False)


async def test_a_stream_token_opens_once(redis: Redis) -> None:
    """A token is valid for one media socket; the redirect's is valid besides the first one."""
    log, call = RedisCallLog(redis), new_call()
    await log.post(call, (ringing(),), stream_token="first")
    await log.post(call, (keyed("1"),), stream_token="redirect")
    assert not await log.consume_token(call, "guessed")
    assert not await log.consume_token(new_call(), "first")
    assert [await log.consume_token(call, "first") for _ in range(2)] == [True, False]
    assert await log.consume_token(call, "redirect")


async def test_a_stream_token_expires(redis: Redis) -> None:
    """An expired token is not accepted, and Redis holds no token in the clear."""
    log, call = RedisCallLog(redis, token_ttl_s=0.001), new_call()
    await log.post(call, (ringing(),), stream_token="late")
    assert await redis.zscore(keys.token(call), "late") is None
    seconds, micros = await redis.time()
    while (now := await redis.time()) and (now[0] - seconds) * 1000 + (now[1] - micros) / 1000 < 2:
        pass
    assert not await log.consume_token(call, "late")


async def test_a_replay_mints_no_token(redis: Redis) -> None:
    """Otherwise a replayed request could be used to open another socket."""
    log, call = RedisCallLog(redis), new_call()
    await log.post(call, (ringing(),), request_key="k", stream_token="good")
    await log.post(call, (ringing(),), request_key="k", stream_token="minted")
    assert not await log.consume_token(call, "minted")
    assert await log.consume_token(call, "good")


async def test_a_commit_writes_events_and_snapshot_together(redis: Redis) -> None:
    """Afterwards `read` returns the snapshot, and the log continues after the call's own events."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    assert await log.read(call) is None
    committed = await log.commit(step(ingest.lease, 1, woke(), keyed("5"), fresh=ingest.rest))
    assert committed.applied == 3
    assert await log.read(call) == a_call(call)
    assert await log.phase(call) is Phase.ACTIVE
    assert [record.event.name for record in await log.history(call)] == ["Ringing", "Reactivated", "Keyed"]


async def test_a_calls_own_events_keep_the_time_they_were_decided_at(redis: Redis) -> None:
    """Folding the log again must give the same snapshot; an event without time gets the log's."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await log.commit(step(ingest.lease, 1, woke(), keyed("5")))
    posted, decided, stamped = (record.event.at for record in await log.history(call))
    assert decided == 1_000.0
    assert stamped >= posted > 1_000_000_000


async def test_a_commit_behind_the_log_is_refused_whole_with_what_it_missed(redis: Redis) -> None:
    """The order of the log is the order of the decisions: no decision skips an event."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await log.post(call, (keyed("1"), keyed("2")))
    refused = await log.commit(step(ingest.lease, 1, woke()))
    assert [(record.seq, record.event.digits) for record in refused.missing] == [(2, "1"), (3, "2")]
    assert refused.applied == 1
    assert await log.read(call) is None
    assert len(await log.history(call)) == 3
    assert (await log.commit(step(ingest.lease, 3, woke()))).missing == ()


async def test_a_repeated_commit_goes_in_once(redis: Redis) -> None:
    """When its reply was lost, repeating it must neither write it twice nor refuse it."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    commit = step(ingest.lease, 1, woke(), keyed("5"))
    assert [await log.commit(commit), await log.commit(commit)] == [await log.commit(commit)] * 2
    await log.post(call, (keyed("6"),))
    assert (await log.commit(commit)).applied == 3
    assert len(await log.history(call)) == 4


async def test_a_stale_owner_is_fenced(redis: Redis) -> None:
    """A paused worker that resumes changes nothing."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    stale = taken(await leases.acquire(call, ALICE))
    await leases.release(stale.lease)
    fresh = taken(await leases.acquire(call, BOB))
    with pytest.raises(Fenced):
        await log.commit(step(stale.lease, 1, keyed("9")))
    assert (await log.commit(step(fresh.lease, 1, woke(2)))).applied == 2
    assert not any(isinstance(record.event, DtmfReceived) for record in await log.history(call))


async def test_a_log_that_lost_its_tail_fences_its_owner(redis: Redis) -> None:
    """Redis restarted with less than it acknowledged, so the owner's state is not the log's."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(), keyed("1")))
    ingest = taken(await leases.acquire(call, ALICE))
    await redis.xtrim(keys.log(call), maxlen=1, approximate=False)
    with pytest.raises(Fenced):
        await log.commit(step(ingest.lease, 2, woke()))


async def test_the_end_of_a_call_frees_its_place_and_starts_its_retention(redis: Redis) -> None:
    """Every key of the call expires, and it is no longer live."""
    log, leases, live, call = RedisCallLog(redis, retention_s=60), RedisLeases(redis), LiveCalls(redis), new_call()
    await log.post(call, (ringing(),), request_key="k", stream_token="t")
    ingest = taken(await leases.acquire(call, ALICE))
    await leases.claim(ingest.lease, f"{call}.1")
    await log.commit(step(ingest.lease, 1, phase=Phase.COMPLETED))
    assert await live.list() == ()
    kept = [key async for key in redis.scan_iter(match=f"{keys.call_prefix}{call}}}:*")]
    assert {key.rpartition(b":")[2] for key in kept} == {b"log", b"state", b"seen", b"claims"}
    for key in kept:
        assert 0 < await redis.pttl(key) <= 60_000


async def test_late_events_of_an_ended_call_are_kept_without_a_ring(redis: Redis) -> None:
    """Carriers report the end more than once, and a call that is over stays over."""
    log, leases, live, call = RedisCallLog(redis), RedisLeases(redis), LiveCalls(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await log.commit(step(ingest.lease, 1, phase=Phase.COMPLETED))
    late = await log.post(call, (keyed("1"),), request_key="late")
    assert (late.seqs, late.over, late.owner) == ((2,), True, None)
    assert await live.list() == ()
    assert await leases.acquire(call, BOB) is None
    assert await redis.pttl(keys.log(call)) > 0
    assert await redis.pttl(keys.seen(call)) > 0


async def test_an_unreadable_entry_stops_nobody(redis: Redis) -> None:
    """It is set aside with its bytes, once; the call continues without it."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    dead = DeadLetters(redis, Scripts(redis))
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await redis.xadd(keys.log(call), {"t": "5.0", "e": b"\xffjunk"}, id="0-2")
    commit = step(ingest.lease, 1, keyed("3"))
    assert (await log.commit(commit)).applied == 3
    assert (await log.commit(commit)).applied == 3
    assert [record.seq for record in await log.history(call)] == [1, 3]
    await leases.release(ingest.lease)
    taken(await leases.acquire(call, BOB))
    assert await dead.count() == 1
    ((_, letter),) = await redis.xrange(keys.dead)
    assert (letter[b"bytes"], letter[b"call"], letter[b"seq"]) == (b"\xffjunk", call.encode(), b"2")


async def test_a_readable_event_behind_an_unreadable_one_is_still_missing(redis: Redis) -> None:
    """Setting one entry aside must not lose the next one."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await redis.xadd(keys.log(call), {"e": b"no time"}, id="0-2")
    await log.post(call, (keyed("3"),))
    await redis.xadd(keys.log(call), {"t": "5.0", "e": b""}, id="0-4")
    commit = step(ingest.lease, 1)
    assert [record.seq for record in (await log.commit(commit)).missing] == [3]
    assert (await log.commit(again(commit, 3))).applied == 4


def of_a_newer_build(name: str = "CallerWaved", *, version: int = EVENT_VERSION) -> bytes:
    """An event that this build does not know, as another build packs it."""
    return pack((version, name, {"at": 0.0, "hand": "left"}))


async def post_packed(redis: Redis, call: CallId, *packed: bytes) -> None:
    """Post bytes as another build's ingress does: through the script, with a nudge to the owner."""
    names = (keys.log(call), keys.state(call), keys.lease(call), keys.seen(call), keys.token(call))
    values = (call, b"", b"-", b"", 60_000, 3_000, keys.node_prefix, b"", b"", *packed)
    await Scripts(redis).run("post", (*names, keys.calls_live, keys.calls_ended), *values)


async def test_c10_an_entry_that_history_cannot_read_is_a_dead_letter(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """An owner that fills a gap from the log commits past it: letter, log line and metric are made by the read."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await post_packed(redis, call, of_a_newer_build())
    await log.post(call, (keyed("3"),))
    missed = await log.history(call, after=Seq(1))
    assert [record.seq for record in missed] == [3]
    assert (await log.commit(step(ingest.lease, 3, fresh=missed))).missing == ()
    (letter,) = await DeadLetters(redis, Scripts(redis)).newest(10)
    assert (letter.call, letter.seq, letter.data) == (call, 2, of_a_newer_build())
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "undecodable entry set aside"
    ]
    assert REGISTRY.get_sample_value("voicecall_dead_letters") == 1


async def test_c10_every_reader_sets_aside_and_each_entry_once(redis: Redis) -> None:
    """Reads by other processes, the commit and the next activation meet the same entries."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await post_packed(redis, call, of_a_newer_build(), of_a_newer_build("Answered", version=EVENT_VERSION + 1), b"\xff")
    await redis.xadd(keys.log(call), {"e": b"no time"}, id="0-5")
    for _ in range(2):
        assert [record.seq for record in await RedisCallLog(redis).history(call)] == [1]
    assert (await log.commit(step(ingest.lease, 1))).applied == 5
    await leases.release(ingest.lease)
    taken(await leases.acquire(call, BOB))
    letters = await DeadLetters(redis, Scripts(redis)).newest(10)
    assert sorted(letter.seq for letter in letters) == [2, 3, 4, 5]


async def test_c10_a_late_entry_of_an_ended_call_is_set_aside_and_expires_with_it(redis: Redis) -> None:
    """No commit comes any more; the mark that it was set aside must not outlive the call."""
    log, leases, call = RedisCallLog(redis, retention_s=60.0), RedisLeases(redis), new_call()
    await log.post(call, (ringing(),))
    ingest = taken(await leases.acquire(call, ALICE))
    await log.commit(step(ingest.lease, 1, phase=Phase.COMPLETED))
    await post_packed(redis, call, of_a_newer_build())
    assert len(await log.history(call)) == 1
    assert await DeadLetters(redis, Scripts(redis)).count() == 1
    assert 0 < await redis.pttl(keys.claims(call)) <= 60_000


async def test_a_snapshot_of_another_build_is_refused_not_guessed(redis: Redis) -> None:
    """`read` and `phase` raise Undecodable."""
    log, call = RedisCallLog(redis), new_call()
    await redis.hset(keys.state(call), mapping={"snapshot": b"\x93\x63", "phase": "dancing"})
    with pytest.raises(Undecodable):
        await log.read(call)
    with pytest.raises(Undecodable):
        await log.phase(call)


async def test_a_leg_names_the_call_that_named_it_first(redis: Redis) -> None:
    """For webhooks that carry only the carrier's id; a second call with the same leg does not take it over."""
    log, leases, calls, leg = RedisCallLog(redis), RedisLeases(redis), [new_call(), new_call()], LegId("v3:x")
    assert await log.find_call("mock", leg) is None
    for call in calls:
        await log.post(call, (ringing(leg),))
        ingest = taken(await leases.acquire(call, ALICE))
        await log.commit(replace(step(ingest.lease, 1, fresh=ingest.rest), call=a_call(call, leg=leg)))
    assert await log.find_call("mock", leg) == calls[0]
    assert await log.find_call("plivo", leg) is None


async def test_a_step_that_names_the_leg_makes_the_call_findable_by_it(redis: Redis) -> None:
    """Once for each leg, in the same script as the snapshot that holds it, so that no crash separates the two."""
    log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
    await log.post(call, (ringing("CA7"),))
    ingest = taken(await leases.acquire(call, ALICE))
    named = replace(step(ingest.lease, 1, fresh=ingest.rest), call=a_call(call, leg=LegId("CA7")))
    await log.commit(named)
    assert await log.find_call("mock", LegId("CA7")) == call
    await redis.delete(keys.leg("mock", LegId("CA7")))
    await log.commit(replace(step(ingest.lease, 1, keyed("1")), call=named.call))
    assert await log.find_call("mock", LegId("CA7")) is None


async def test_many_concurrent_posts_keep_each_calls_order(redis: Redis) -> None:
    """Batches of one pipeline serve many calls; what one process posts in order stays in order."""
    log, calls = RedisCallLog(redis), [new_call() for _ in range(20)]
    await asyncio.gather(*(log.post(call, (keyed(str(n)),)) for n in range(30) for call in calls))
    for call in calls:
        assert [record.event.digits for record in await log.history(call)] == [str(n) for n in range(30)]


async def test_the_newest_token_is_good_again_for_a_carrier_that_connects_by_itself(redis: Redis) -> None:
    """While the call lives; an older one of the series is not, and neither is any other."""
    log, call = RedisCallLog(redis), new_call()
    await log.post(call, (ringing(),), stream_token="t", reconnects=True)
    assert [await log.consume_token(call, "t", again=True) for _ in range(3)] == [True] * 3
    assert not await log.consume_token(call, "t")
    assert not await log.consume_token(call, "guessed", again=True)
    assert [await log.consume_token(call, "t", number, again=True) for number in (2, 2, 1, 0)] == [
        *(True, True, False, False),
    ]
    await redis.hset(keys.state(call), "over", "1")
    assert not await log.consume_token(call, "t", 2, again=True)


async def test_c3_a_series_of_tokens_opens_streams_in_order_while_the_call_lives(redis: Redis) -> None:
    """The carrier connects again without asking: each number once, and none below one that was used."""
    log, call = RedisCallLog(redis), new_call()
    await log.post(call, (ringing(),), stream_token="older", reconnects=True)
    await log.post(call, (), stream_token="t", reconnects=True)
    assert not await log.consume_token(call, "older", 1)
    assert not await log.consume_token(call, "guessed", 1)
    assert [await log.consume_token(call, "t", number) for number in (2, 2, 1, 3)] == [True, False, False, True]
    assert [await log.consume_token(call, "t") for _ in range(2)] == [True, False]
    await log.post(call, (), stream_token="once")
    assert await log.consume_token(call, "t", 4)
    assert not await log.consume_token(call, "once", 1)
    await redis.hset(keys.state(call), "over", "1")
    assert not await log.consume_token(call, "t", 5)
