"""Which ingresses take requests: one that stops asks whether another one goes on."""

import asyncio

from redis.asyncio import Redis

from tests.fakes.keys import keys
from voicecall.bus.ingresses import Ingresses
from voicecall.call.ids import NodeId

ONE, TWO = NodeId("ingress-one"), NodeId("ingress-two")


async def test_c3_the_last_ingress_has_no_successor(redis: Redis) -> None:
    """Of several, each but the last has one."""
    one, two = Ingresses(redis), Ingresses(redis)
    await one.announce(ONE)
    await two.announce(TWO)
    assert await one.leave(ONE)
    assert not await two.leave(TWO)


async def test_c3_an_ingress_that_has_left_is_not_announced_again(redis: Redis) -> None:
    """Its announcement of this second may still be on its way."""
    one, two = Ingresses(redis), Ingresses(redis)
    await one.announce(ONE)
    await one.leave(ONE)
    await one.announce(ONE)
    assert not await two.leave(TWO)


async def test_c3_an_ingress_that_was_killed_is_no_successor(redis: Redis) -> None:
    """It did not leave; its last announcement is some seconds old."""
    one = Ingresses(redis)
    seconds, _ = await redis.time()
    await redis.zadd(keys.ingresses, {TWO: seconds - 4})
    await one.announce(ONE)
    assert not await one.leave(ONE)


async def test_c3_a_killed_ingress_is_silent(real: Redis) -> None:
    """Nothing listens on its channel any more. On a server on which it has not listened yet that means nothing."""
    ingresses = Ingresses(real)
    await ingresses.announce(ONE)
    assert not await ingresses.is_silent(ONE)
    async with real.pubsub() as channel:
        await channel.subscribe(keys.media(ONE))
        await channel.get_message(timeout=5)
        await ingresses.announce(ONE)
        assert not await ingresses.is_silent(ONE)
    async with asyncio.timeout(10):
        while not await ingresses.is_silent(ONE):  # noqa: ASYNC110  the server reads the end of that socket
            await asyncio.sleep(0.01)
    await real.set(keys.listened(ONE), "the former primary")
    assert not await ingresses.is_silent(ONE)
