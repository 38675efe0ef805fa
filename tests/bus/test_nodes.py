"""Nudges: quick news for the owner, and an honest word when some may be missing."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.bus.calls import ALICE, is_heard, keyed, new_call, ringing, running, taken
from voicecall.bus import keys
from voicecall.bus.connection import connect
from voicecall.bus.entries import read_nudge
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.bus.nodes import NodeChannel
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId
from voicecall.ports import Record


class Mail:
    def __init__(self, redis: Redis, *, silence_s: float = 1.0) -> None:
        self.come: asyncio.Queue[tuple[CallId, tuple[Record, ...]]] = asyncio.Queue()
        self.gaps: asyncio.Queue[None] = asyncio.Queue()
        self.channel = NodeChannel(
            redis,
            ALICE,
            on_records=lambda call, records: self.come.put_nowait((call, records)),
            on_gap=lambda: self.gaps.put_nowait(None),
            silence_s=silence_s,
        )


async def test_a_post_reaches_its_owner_with_places_and_times(redis: Redis) -> None:
    """The owner need not read the log for what it was just told."""
    log, leases, mail, call = RedisCallLog(redis), RedisLeases(redis), Mail(redis), new_call()
    await log.post(call, (ringing(),))
    async with running(mail.channel.run()):
        await mail.channel.ready()
        taken(await leases.acquire(call, ALICE))
        posted = await log.post(call, (keyed("1"), keyed("zwölf\n2")))
        assert (posted.owner, posted.nudged) == (ALICE, True)
        whose, records = await mail.come.get()
    assert whose == call
    assert records == await log.history(call, posted.seqs[0] - 1)
    assert mail.gaps.empty()


async def test_a_cut_line_is_mended_and_reported(connect_real) -> None:
    """Whatever was published meanwhile is gone: the owner has to read its logs."""
    redis, mail = connect_real(), Mail(connect_real())
    async with running(mail.channel.run()):
        await mail.channel.ready()
        for _ in range(3):
            await redis.client_kill_filter(_type="pubsub")
            await mail.gaps.get()
        log, leases, call = RedisCallLog(redis), RedisLeases(redis), new_call()
        await log.post(call, (ringing(),))
        taken(await leases.acquire(call, ALICE))
        await log.post(call, (keyed("1"),))
        assert (await mail.come.get())[0] == call


async def test_a_channel_outlives_a_restart_of_redis(lasting) -> None:
    """Killed and started again: the node hears again, and knows that it missed something."""
    client = connect(lasting.url)
    mail = Mail(client)
    async with running(mail.channel.run()):
        await mail.channel.ready()
        await asyncio.to_thread(lasting.restart)
        await mail.gaps.get()
        assert await is_heard(client, ALICE)
    await client.aclose()


async def test_a_dead_line_that_looks_open_is_noticed(lasting) -> None:
    """A server that holds the socket but says nothing is found out by asking for a sign of life."""
    client = connect(lasting.url)
    mail = Mail(client, silence_s=0.05)
    async with running(mail.channel.run()):
        await mail.channel.ready()
        lasting.pause()
        await mail.channel.down()
        lasting.resume()
        await mail.gaps.get()
        assert mail.channel.is_up
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


async def test_a_listener_that_fails_goes_on_listening(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """One bad message must not deafen the node to all others; and it is said aloud."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def fussy(data: bytes) -> None:
        if data == b"bad":
            raise ValueError(data)
        heard.put_nowait(data)

    line = Subscription(redis, "somewhere", on_message=fussy)
    async with running(line.run()):
        await line.ready()
        await redis.publish("somewhere", b"bad")
        await redis.publish("somewhere", b"good")
        assert await heard.get() == b"good"
    assert line.faults == 1
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
async def test_what_is_no_nudge_is_counted(redis: Redis, junk: bytes) -> None:
    """Anything may be published on a channel."""
    assert read_nudge(junk) is None
    log, leases, mail, call = RedisCallLog(redis), RedisLeases(redis), Mail(redis), new_call()
    await log.post(call, (ringing(),))
    async with running(mail.channel.run()):
        await mail.channel.ready()
        taken(await leases.acquire(call, ALICE))
        await redis.publish(keys.node(ALICE), junk)
        await log.post(call, (keyed("1"),))
        await mail.come.get()
    assert mail.channel.junk == 1
