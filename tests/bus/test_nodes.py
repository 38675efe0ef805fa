"""Nudges: new events for the owner, and a report when some may be missing."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.bus.calls import ALICE, is_heard, keyed, new_call, ringing, running, taken
from tests.fakes.keys import keys
from voicecall.bus.connection import connect
from voicecall.bus.entries import read_nudge
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId
from voicecall.ports import Record


async def test_c6_a_node_that_leaves_takes_no_calls_while_it_hands_the_others_over(connect_real) -> None:
    """Its channel is still heard; its sweeper, which still runs, does not register it again."""
    redis, inbox = connect_real(), Inbox(connect_real())
    membership, observer = Membership(redis), Membership(redis)
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        assert not await observer.is_any_present()
        await membership.poll(ALICE)
        assert await observer.is_any_present()
        await membership.leave(ALICE)
        assert await membership.poll(ALICE) == ()
        assert not await observer.is_any_present()


async def test_c6_a_node_whose_process_is_dead_is_not_present(connect_real) -> None:
    """It is registered for half a minute more, but nothing listens on its channel."""
    redis, inbox = connect_real(), Inbox(connect_real())
    membership = Membership(redis)
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        await membership.poll(ALICE)
    while await is_heard(redis, ALICE):
        pass  # the server has not read the end of that socket yet
    assert not await membership.is_any_present()
    # On a server that was just promoted nobody listens yet: callers are not told that all is busy.
    await redis.set(keys.listened(ALICE), "the former primary")
    assert await membership.is_any_present()


async def test_c6_a_node_whose_process_is_stopped_is_not_present(connect_real) -> None:
    """Its socket stays open, so its channel has a listener; but it polls no more (SIGSTOP, a swapping machine)."""
    redis, inbox = connect_real(), Inbox(connect_real())
    membership = Membership(redis)
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        await membership.poll(ALICE)
        assert await membership.present() == (ALICE,)
        await redis.zincrby(keys.nodes, -7_000, ALICE)  # as if it had polled seven seconds earlier
        assert await is_heard(redis, ALICE)
        assert not await membership.is_any_present()
        await membership.poll(ALICE)
        assert await membership.is_any_present()


class Inbox:
    def __init__(self, redis: Redis, *, silence_s: float = 1.0) -> None:
        self.received: asyncio.Queue[tuple[CallId, tuple[Record, ...]]] = asyncio.Queue()
        self.gaps: asyncio.Queue[None] = asyncio.Queue()
        self.channel = NodeChannel(
            redis,
            ALICE,
            on_records=lambda call, records: self.received.put_nowait((call, records)),
            on_gap=lambda: self.gaps.put_nowait(None),
            silence_s=silence_s,
        )


async def test_a_post_reaches_its_owner_with_seqs_and_times(redis: Redis) -> None:
    """The owner need not read the log for the events of a nudge."""
    log, leases, inbox, call = RedisCallLog(redis), RedisLeases(redis), Inbox(redis), new_call()
    await log.post(call, (ringing(),))
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        taken(await leases.acquire(call, ALICE))
        posted = await log.post(call, (keyed("1"), keyed("zwölf\n2")))
        assert (posted.owner, posted.nudged) == (ALICE, True)
        whose, records = await inbox.received.get()
    assert whose == call
    assert records == await log.history(call, posted.seqs[0] - 1)
    assert inbox.gaps.empty()


async def test_a_cut_subscription_is_restored_and_reported(connect_real) -> None:
    """Messages published meanwhile are lost, so the owner has to read its logs."""
    redis, inbox = connect_real(), Inbox(connect_real())
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        for _ in range(3):
            await redis.client_kill_filter(_type="pubsub")
            await inbox.gaps.get()
        log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
        await log.post(call, (ringing(),))
        taken(await leases.acquire(call, ALICE))
        await log.post(call, (keyed("1"),))
        assert (await inbox.received.get())[0] == call


async def test_a_channel_outlives_a_restart_of_redis(lasting) -> None:
    """The node subscribes anew and reports the gap."""
    client = connect(lasting.url)
    inbox = Inbox(client)
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        await asyncio.to_thread(lasting.restart)
        await inbox.gaps.get()
        assert await is_heard(client, ALICE)
    await client.aclose()


async def test_a_dead_subscription_that_looks_open_is_noticed(lasting) -> None:
    """A server that keeps the socket open but does not answer is noticed by a ping."""
    client = connect(lasting.url)
    inbox = Inbox(client, silence_s=0.05)
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        lasting.pause()
        await inbox.channel.down()
        lasting.resume()
        await inbox.gaps.get()
        assert inbox.channel.is_up
    await client.aclose()


async def pings(redis: Redis) -> int:
    stats = await redis.info("commandstats")
    return int(stats.get("cmdstat_ping", {}).get("calls", 0))


async def test_a_quiet_subscription_is_not_mistaken_for_a_dead_one(real: Redis) -> None:
    """Its pings are answered, so it is not subscribed anew."""
    quiet = Subscription(real, "quiet", on_message=lambda _: None, silence_s=0.25)
    async with running(quiet.run()):
        await quiet.ready()
        sent = await pings(real)
        async with asyncio.timeout(30):
            while await pings(real) < sent + 3:  # noqa: ASYNC110 - only the server counts pings
                await asyncio.sleep(0.05)
    assert quiet.subscriptions == 1


async def test_a_handler_that_fails_is_called_again(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """One bad message must not stop all others; it is logged."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    def fail_on_bad(data: bytes) -> None:
        if data == b"bad":
            raise ValueError(data)
        received.put_nowait(data)

    subscription = Subscription(redis, "somewhere", on_message=fail_on_bad)
    async with running(subscription.run()):
        await subscription.ready()
        await redis.publish("somewhere", b"bad")
        await redis.publish("somewhere", b"good")
        assert await received.get() == b"good"
    assert subscription.faults == 1
    assert "listener failed" in caplog.text


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\n",
        b"no newline",
        b"x 1.0 1 1\n.",
        b"7d9f6d5e-0000-4000-8000-000000000000 1.0 1 5\n....",
        b"7d9f6d5e-0000-4000-8000-000000000000 1.0 one 4\n....",
        b"7d9f6d5e-0000-4000-8000-000000000000 1.0 1 -1 5\n....",
        b"\xff\xff 1.0 1 4\n....",
    ],
)
async def test_messages_that_are_no_nudge_are_counted(redis: Redis, junk: bytes) -> None:
    """Any bytes may be published on a channel."""
    assert read_nudge(junk) is None
    log, leases, inbox, call = RedisCallLog(redis), RedisLeases(redis), Inbox(redis), new_call()
    await log.post(call, (ringing(),))
    async with running(inbox.channel.run()):
        await inbox.channel.ready()
        taken(await leases.acquire(call, ALICE))
        await redis.publish(keys.node(ALICE), junk)
        await log.post(call, (keyed("1"),))
        await inbox.received.get()
    assert inbox.channel.junk == 1
