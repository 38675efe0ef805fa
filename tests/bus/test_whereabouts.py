"""One address for the whole house: the first door's, until it leaves or falls silent."""

import asyncio

import pytest
from redis.asyncio import Redis

from voicecall.bus.connection import connect
from voicecall.bus.whereabouts import Herald, RedisWhereabouts
from voicecall.call.ids import NodeId
from voicecall.errors import CarrierUnreachable, NotExposed
from voicecall.ports import Address

A = Address(webhook_url="https://a.example/voice/webhook", stream_url="wss://a.example/voice/stream")
B = Address(webhook_url="https://b.example/voice/webhook", stream_url="wss://b.example/voice/stream")


def door(redis: Redis, name: str, ttl_s: float = 60.0) -> Herald:
    return Herald(redis, NodeId(name), ttl_s=ttl_s)


async def test_the_first_door_speaks_and_a_newcomer_changes_nothing(redis: Redis) -> None:
    """A carrier that was told one address must not find the house gone from it because a process was added."""
    first, second, house = door(redis, "a"), door(redis, "b"), RedisWhereabouts(redis)
    assert await first.announce(A)
    assert not await second.announce(B)
    await second.withdraw()
    assert await house.now() == A


async def test_the_next_door_takes_over_from_one_that_leaves(redis: Redis) -> None:
    first, second, house = door(redis, "a"), door(redis, "b"), RedisWhereabouts(redis)
    await first.announce(A)
    await first.withdraw()
    with pytest.raises(NotExposed, match="set publicUrl"):
        await house.now()
    assert await second.announce(B)
    assert not await first.announce(A)
    assert await house.now() == B


async def test_a_door_that_falls_silent_is_forgotten(redis: Redis) -> None:
    """It was killed, perhaps: nobody shall be called by an address that leads nowhere."""
    first, second, house = door(redis, "a", ttl_s=0.02), door(redis, "b"), RedisWhereabouts(redis)
    await first.announce(A)
    while not await second.announce(B):  # noqa: ASYNC110 - Redis alone knows when it forgets
        await asyncio.sleep(0.005)
    assert await house.now() == B


async def test_the_same_door_may_move(redis: Redis) -> None:
    """A tunnel that comes back may have another name."""
    first, house = door(redis, "a"), RedisWhereabouts(redis)
    await first.announce(A)
    assert await first.announce(B)
    assert await house.now() == B


async def test_without_redis_nothing_is_sent_to_a_carrier() -> None:
    """For whoever dials this is a carrier that was never reached: safe to repeat."""
    nowhere = connect("redis://127.0.0.1:1/0", timeout_s=1.0)
    with pytest.raises(NotExposed, match="REDIS_URL") as caught:
        await RedisWhereabouts(nowhere).now()
    assert isinstance(caught.value, CarrierUnreachable)
    assert caught.value.code == "not-exposed"
    await nowhere.aclose()
